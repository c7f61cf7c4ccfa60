package ecosystem

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	"github.com/fluxcd/pkg/auth"
	"github.com/fluxcd/pkg/auth/generic"
	runtimeclient "github.com/fluxcd/pkg/runtime/client"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// reaches makes a client as the controllers of Flux do, and asks the cluster something.
func reaches(t *testing.T, hub client.Client, ref *meta.KubeConfigReference, provider runtimeclient.ProviderRESTConfigFetcher) {
	t.Helper()
	c, _, err := runtimeclient.NewImpersonator(hub, runtimeclient.WithKubeConfig(ref, runtimeclient.KubeConfigOptions{}, "flux-system", provider)).GetClient(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var ns corev1.Namespace
	if err := c.Get(t.Context(), client.ObjectKey{Name: "default"}, &ns); err != nil || ns.UID != "reached" {
		t.Errorf("namespace %q, %v", ns.UID, err)
	}
}

func TestFluxSecret(t *testing.T) {
	b := newBridge(t, "fl_flux", "/k8s/clusters/prod.acme")
	var s corev1.Secret
	b.example(t, &s, "namespace: flux-system", "kind: Secret")
	s.Data = map[string][]byte{}
	for k, v := range s.StringData { // as an API server does
		s.Data[k] = []byte(v)
	}
	hub := fake.NewClientBuilder().WithObjects(&s).Build()
	reaches(t, hub, &meta.KubeConfigReference{SecretRef: &meta.SecretKeyReference{Name: s.Name}}, nil)
}

// TestFluxConfigMap: Flux asks its own cluster for a token of the service account that the
// ConfigMap names. It drops the path of an address, so the cluster has a host of its own.
func TestFluxConfigMap(t *testing.T) {
	auth.EnableObjectLevelWorkloadIdentity() // the feature gate of the controllers
	claims := fmt.Sprintf(`{"sub":"system:serviceaccount:flux-system:fairlead","exp":%d}`, time.Now().Add(time.Hour).Unix())
	token := "eyJhbGciOiJSUzI1NiJ9." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
	b := newBridge(t, token, "")
	var cm corev1.ConfigMap
	b.example(t, &cm, "namespace: flux-system", "kind: ConfigMap")
	var asked []string
	hub := fake.NewClientBuilder().WithObjects(&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "fairlead", Namespace: "flux-system"}}).
		WithInterceptorFuncs(interceptor.Funcs{
			SubResourceCreate: func(_ context.Context, _ client.Client, _ string, of, sub client.Object, _ ...client.SubResourceCreateOption) error {
				request := sub.(*authenticationv1.TokenRequest)
				asked = append(asked, of.GetName()+" "+strings.Join(request.Spec.Audiences, ","))
				request.Status.Token = token
				return nil
			},
		}).Build()
	// Which key of the ConfigMap is which option is what Flux's controllers do.
	options := []auth.Option{
		auth.WithClient(hub), auth.WithServiceAccountNamespace("flux-system"), auth.WithServiceAccountName(cm.Data[meta.KubeConfigKeyServiceAccountName]),
		auth.WithClusterAddress(cm.Data[meta.KubeConfigKeyAddress]), auth.WithCAData(cm.Data[meta.KubeConfigKeyCACert]),
		auth.WithAudiences(strings.Fields(cm.Data[meta.KubeConfigKeyAudiences])...),
	}
	if cm.Data[meta.KubeConfigKeyProvider] != generic.ProviderName {
		t.Errorf("provider %q", cm.Data[meta.KubeConfigKeyProvider])
	}
	reaches(t, hub, &meta.KubeConfigReference{ConfigMapRef: &meta.LocalObjectReference{Name: cm.Name}},
		func(ctx context.Context, _ meta.KubeConfigReference, _ string, _ client.Client) (*rest.Config, error) {
			c, err := auth.GetRESTConfig(ctx, generic.Provider{}, options...)
			if err != nil {
				return nil, err
			}
			return &rest.Config{Host: c.Host, BearerToken: c.BearerToken, TLSClientConfig: rest.TLSClientConfig{CAData: c.CAData}}, nil
		})
	if len(asked) != 1 || asked[0] != "fairlead fairlead" {
		t.Errorf("tokens that were asked for: %q", asked)
	}
	if host, err := auth.ParseClusterAddress("https://fairlead.example.com/k8s/clusters/prod.acme"); err == nil && strings.Contains(host, "/k8s/") {
		t.Error("Flux keeps the path of an address now: docs/ecosystem.md can say so")
	}
}

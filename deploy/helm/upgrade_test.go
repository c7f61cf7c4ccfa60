package helm_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestPlatformKeepsSecrets: an upgrade without the files does not take away the
// Secrets that the release has made from them. The API server is a fake one that
// knows only Secrets, which is enough for helm's lookup.
func TestPlatformKeepsSecrets(t *testing.T) {
	const removed = "from files, and without them it would be removed"
	helms := func(name string) *corev1.Secret {
		return &corev1.Secret{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
			ObjectMeta: metav1.ObjectMeta{
				Name: name, Namespace: releaseNamespace,
				Labels:      map[string]string{"app.kubernetes.io/managed-by": "Helm"},
				Annotations: map[string]string{"meta.helm.sh/release-name": releaseName},
			},
		}
	}
	annotated := func(key, value string) *corev1.Secret {
		s := helms(platformName)
		s.Annotations[key] = value
		return s
	}
	unlabelled := helms(platformName)
	unlabelled.Labels = nil
	config, tls := helms(platformName), helms(platformName+"-tls")
	for name, test := range map[string]struct {
		secret *corev1.Secret
		args   []string
		want   string // empty: not refused for this
	}{
		"config":               {config, nil, "made the Secret " + platformName + " " + removed + ": give all five of config.*"},
		"TLS":                  {tls, nil, "made the Secret " + platformName + "-tls " + removed + ": give tls.crt, tls.key and tls.ca"},
		"the same, called own": {config, []string{"--set", "config.existingSecret=" + platformName}, removed},
		"the files again":      {config, contentArgs(t, platformContent), ""},
		"one's own instead":    {config, []string{"--set", "config.existingSecret=mine"}, ""},
		"cert-manager instead": {tls, []string{"--set", "tls.certManager.enabled=true,tls.certManager.issuerRef.name=x"}, ""},
		"none":                 {helms("else"), nil, ""},
		"the user's own":       {unlabelled, nil, ""},
		"another release's":    {annotated("meta.helm.sh/release-name", "other"), nil, ""},
		"one that is kept":     {annotated("helm.sh/resource-policy", "keep"), nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			asked := false
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				var answer any
				switch r.URL.Path {
				case "/version":
					answer = map[string]string{"major": "1", "minor": "34", "gitVersion": kubeVersion(t)}
				case "/api":
					answer = metav1.APIVersions{Versions: []string{"v1"}}
				case "/apis":
					answer = metav1.APIGroupList{}
				case "/api/v1":
					answer = metav1.APIResourceList{GroupVersion: "v1", APIResources: []metav1.APIResource{
						{Name: "secrets", SingularName: "secret", Kind: "Secret", Namespaced: true, Verbs: metav1.Verbs{"get", "list"}},
					}}
				case "/api/v1/namespaces/" + releaseNamespace + "/secrets/" + test.secret.Name:
					asked, answer = true, test.secret
				default:
					w.WriteHeader(http.StatusNotFound)
					answer = metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: "Failure", Reason: metav1.StatusReasonNotFound, Code: 404}
				}
				if err := json.NewEncoder(w).Encode(answer); err != nil {
					t.Errorf("answer %s: %v", r.URL.Path, err)
				}
			}))
			defer server.Close()
			// A release that is not refused is rendered, and then fails: this server has
			// no schemas for the objects.
			_, stderr, err := template(t, platformChart, append(test.args, "--is-upgrade", "--dry-run=server", "--kube-apiserver", server.URL)...)
			if test.want != "" && (err == nil || !strings.Contains(stderr, test.want)) {
				t.Errorf("helm says:\n%s\nwant: %s", stderr, test.want)
			}
			if test.want == "" && !strings.Contains(stderr, "unable to build kubernetes objects from release manifest") {
				t.Errorf("refused: %s", stderr)
			}
			if test.want != "" && !asked {
				t.Error("the chart has not asked for the Secret")
			}
		})
	}
}

// TestPlatformUpgradesOffline: with no cluster to ask, nothing is refused.
func TestPlatformUpgradesOffline(t *testing.T) {
	platformInvariants(t, render(t, platformChart, "--is-upgrade"))
}

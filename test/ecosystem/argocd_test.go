package ecosystem

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/argoproj/argo-cd/v3/util/db"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	kubeapi "k8s.io/client-go/tools/clientcmd/api"
)

func base64Of(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// argoConfig is how Argo CD reaches the cluster of a Secret.
func argoConfig(t *testing.T, s *corev1.Secret) *rest.Config {
	t.Helper()
	if s.Labels["argocd.argoproj.io/secret-type"] != "cluster" {
		t.Errorf("labels %v: Argo CD does not see the Secret", s.Labels)
	}
	s.Data = map[string][]byte{}
	for k, v := range s.StringData { // as an API server does
		s.Data[k] = []byte(v)
	}
	cluster, err := db.SecretToCluster(s)
	if err != nil {
		t.Fatal(err)
	}
	if cluster.Name != "prod.acme" {
		t.Errorf("cluster %q", cluster.Name)
	}
	config, err := cluster.RawRestConfig()
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func TestArgoCDToken(t *testing.T) {
	b := newBridge(t, "fl_argo", "/k8s/clusters/prod.acme")
	var s corev1.Secret
	b.example(t, &s, "argocd.argoproj.io/secret-type", "bearerToken")
	d, err := discovery.NewDiscoveryClientForConfig(argoConfig(t, &s))
	if err != nil {
		t.Fatal(err)
	}
	if v, err := d.ServerVersion(); err != nil || v.GitVersion != "v1.34.4" {
		t.Errorf("version %v, %v", v, err)
	}
}

// TestArgoCDExec: the command is the one that readers of ClusterProfiles run; that one is
// executed by the tests of kubectl-fairlead.
func TestArgoCDExec(t *testing.T) {
	b := newBridge(t, "fl_argo", "/k8s/clusters/prod.acme")
	var s corev1.Secret
	b.example(t, &s, "argocd.argoproj.io/secret-type", "execProviderConfig")
	config := argoConfig(t, &s)
	if config.Host != b.URL+"/k8s/clusters/prod.acme" || string(config.CAData) != string(b.ca) || config.BearerToken != "" {
		t.Errorf("host %s, CA %q", config.Host, config.CAData)
	}
	doc, err := os.ReadFile("../../docs/ecosystem.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(doc), "```json\n")
	text, _, _ = strings.Cut(text, "```")
	var file struct {
		Providers []struct{ ExecConfig *kubeapi.ExecConfig }
	}
	if err := json.Unmarshal([]byte(text), &file); err != nil || len(file.Providers) != 1 {
		t.Fatalf("%v: %s", err, text)
	}
	want, got := file.Providers[0].ExecConfig, config.ExecProvider
	if got.Command != want.Command || !reflect.DeepEqual(got.Args, want.Args) || got.APIVersion != want.APIVersion || got.InteractiveMode != kubeapi.NeverExecInteractiveMode {
		t.Errorf("%+v, want %+v", got, want)
	}
}

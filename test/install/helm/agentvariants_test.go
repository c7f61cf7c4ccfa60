package helm

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-io/fairlead/test/harness"
)

// TestAgentVariants sends the objects of each variant to the API server as a dry
// run: it validates and admits them, and stores nothing.
func TestAgentVariants(t *testing.T) {
	sp := newAgentSpace(t)
	sp.customResource("github.com/prometheus-operator/prometheus-operator@v0.85.0",
		"example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml")
	for _, name := range []string{"shop", "blog"} { // namespaces in which variants grant rights
		sp.makeNamespace(name)
	}
	files, err := filepath.Glob(filepath.Join(sp.chart(), "ci", "*-values.yaml"))
	if err != nil || len(files) < 4 {
		t.Fatalf("variants: %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			rendered := sp.helm("template", agentRelease, sp.chart(), "--values", file)
			// kubectl prints an API server's warnings to stderr.
			apply := harness.Command{Path: sp.kube.Kubectl, Stdin: rendered, Args: []string{"--kubeconfig", sp.kube.Kubeconfig,
				"apply", "--server-side", "--dry-run=server", "--filename=-"}}
			_, said, err := apply.Run(t.Context())
			if err != nil {
				t.Error(err)
			}
			if strings.Contains(said, "Warning") {
				t.Errorf("the API server warns:\n%s", said)
			}
		})
	}
}

// customResource defines a custom resource from a file of a module.
func (sp *space) customResource(module, file string) {
	sp.t.Helper()
	m, err := harness.DownloadModule(sp.t.Context(), module)
	if err != nil {
		sp.t.Fatal(err)
	}
	path := filepath.Join(m.Dir, filepath.FromSlash(file))
	sp.kubectl("create", "--filename", path)
	sp.t.Cleanup(func() {
		if _, err := sp.kube.Run(context.WithoutCancel(sp.t.Context()), "", "delete", "--filename", path); err != nil {
			sp.t.Error(err)
		}
	})
	sp.kubectl("wait", "--for=condition=Established", "--filename", path)
}

// TestAgentRegistryCredentials: the API server accepts the Secret as of its type,
// and the pods name it.
func TestAgentRegistryCredentials(t *testing.T) {
	sp := newAgentSpace(t)
	t.Parallel()
	sp.install("--set", "replicas=0", "--set", "imageCredentials.registry=registry.example.com",
		"--set", "imageCredentials.username=deploy", "--set", `imageCredentials.token=t:"ok`)
	secret, err := sp.admin.CoreV1().Secrets(sp.name).Get(t.Context(), agentRelease+"-pull", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Auths map[string]struct{ Username, Password, Auth string }
	}
	if err := json.Unmarshal(secret.Data[corev1.DockerConfigJsonKey], &config); err != nil || secret.Type != corev1.SecretTypeDockerConfigJson {
		t.Errorf("%s %v", secret.Type, err)
	}
	if got := config.Auths["registry.example.com"]; got.Username != "deploy" || got.Password != `t:"ok` {
		t.Errorf("the Secret holds %+v", config)
	}
	d, err := sp.admin.AppsV1().Deployments(sp.name).Get(t.Context(), agentRelease, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := d.Spec.Template.Spec.ImagePullSecrets; len(got) != 1 || got[0].Name != secret.Name {
		t.Errorf("the pods pull with %v", got)
	}
	sp.helm("uninstall", agentRelease)
}

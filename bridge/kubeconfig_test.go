package bridge

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	"k8s.io/client-go/tools/clientcmd"
)

func TestKubeconfig(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{publicURL: "https://git.example.com/-/fairlead"})
	req := r.request("GET", "/-/fairlead/v1/clusters/prod.acme/kubeconfig", nil)
	req.Header.Set("Authorization", "Bearer "+r.acme)
	res, body := r.do(r.h2, req)
	var k struct {
		Kind           string
		APIVersion     string `yaml:"apiVersion"`
		CurrentContext string `yaml:"current-context"`
		Clusters       []struct {
			Name    string
			Cluster struct {
				Server string
				CA     string `yaml:"certificate-authority-data"`
			}
		}
		Users []struct {
			Name string
			User struct{ Token string }
		}
		Contexts []struct {
			Name    string
			Context struct{ Cluster, User string }
		}
	}
	if err := yaml.Unmarshal([]byte(body), &k); err != nil || res.StatusCode != 200 {
		t.Fatalf("%d %s: %v", res.StatusCode, body, err)
	}
	// Two platforms, or two clusters of one, share no name.
	const name = "prod.acme@git.example.com/-/fairlead"
	const user = "acme-ci/" + name
	ca, _ := base64.StdEncoding.DecodeString(k.Clusters[0].Cluster.CA)
	if k.Kind != "Config" || k.APIVersion != "v1" || k.CurrentContext != name || k.Contexts[0].Name != name ||
		k.Clusters[0].Name != name || k.Contexts[0].Context.Cluster != name || k.Users[0].Name != user ||
		k.Clusters[0].Cluster.Server != "https://git.example.com/-/fairlead/k8s/clusters/prod.acme" ||
		!bytes.Equal(ca, r.ca) || k.Users[0].User.Token != r.acme || k.Contexts[0].Context.User != user {
		t.Errorf("got %+v", k)
	}
	if res.Header.Get("Cache-Control") != "no-store" {
		t.Error("a kubeconfig may be cached")
	}
}

// TestKubeconfigExec: it has a command in place of the token.
func TestKubeconfigExec(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{publicURL: "https://git.example.com/-/fairlead"})
	get := func(query string) (int, string) {
		req := r.request("GET", "/-/fairlead/v1/clusters/prod.acme/kubeconfig"+query, nil)
		req.Header.Set("Authorization", "Bearer "+r.acme)
		res, body := r.do(r.h2, req)
		return res.StatusCode, body
	}
	status, body := get("?auth=exec")
	config, err := clientcmd.Load([]byte(body))
	if err != nil || status != 200 {
		t.Fatalf("%d %s: %v", status, body, err)
	}
	const name = "prod.acme@git.example.com/-/fairlead"
	const user = "fairlead@git.example.com/-/fairlead"
	if config.CurrentContext != name || config.Contexts[name].AuthInfo != user || config.AuthInfos[user] == nil {
		t.Fatalf("got %s", body)
	}
	exec := config.AuthInfos[user].Exec
	if exec == nil || exec.APIVersion != "client.authentication.k8s.io/v1" || exec.Command != "kubectl-fairlead" || exec.InteractiveMode != "Never" ||
		!slices.Equal(exec.Args, []string{"token", "--bridge=https://git.example.com/-/fairlead"}) {
		t.Errorf("got %s", body)
	}
	if strings.Contains(body, r.acme) || strings.Contains(body, "acme-ci") {
		t.Error("it says who the caller is")
	}
	if status, body := get("?auth=token"); status != 200 || !strings.Contains(body, r.acme) {
		t.Errorf("auth=token: %d %s", status, body)
	}
	if status, body := get("?auth=magic"); status != 400 || !strings.Contains(body, `auth \"magic\" is neither token nor exec`) {
		t.Errorf("auth=magic: %d %s", status, body)
	}
}

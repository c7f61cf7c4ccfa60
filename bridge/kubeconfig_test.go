package bridge

import (
	"bytes"
	"encoding/base64"
	"testing"

	"go.yaml.in/yaml/v3"
)

func TestKubeconfig(t *testing.T) {
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

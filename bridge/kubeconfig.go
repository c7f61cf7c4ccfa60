package bridge

import (
	"encoding/base64"
	"net/http"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-io/fairlead/bridge/identity"
)

// kubeconfig is a client-go kubeconfig with one context.
type kubeconfig struct {
	APIVersion     string         `yaml:"apiVersion"`
	Kind           string         `yaml:"kind"`
	Clusters       []namedCluster `yaml:"clusters"`
	Users          []namedUser    `yaml:"users"`
	Contexts       []namedContext `yaml:"contexts"`
	CurrentContext string         `yaml:"current-context"`
}

type namedCluster struct {
	Name    string `yaml:"name"`
	Cluster struct {
		Server string `yaml:"server"`
		CA     string `yaml:"certificate-authority-data,omitempty"`
	} `yaml:"cluster"`
}

type namedUser struct {
	Name string `yaml:"name"`
	User struct {
		Token string `yaml:"token,omitempty"`
	} `yaml:"user"`
}

type namedContext struct {
	Name    string `yaml:"name"`
	Context struct {
		Cluster string `yaml:"cluster"`
		User    string `yaml:"user"`
	} `yaml:"context"`
}

// getKubeconfig writes a kubeconfig with the token that the caller presented.
// The cluster may be offline, or not have connected yet.
func (s *Server) getKubeconfig(w http.ResponseWriter, r *http.Request, rec *record, name string) {
	_, caller, f := s.admit(r, rec, name)
	if f != nil {
		s.fail(w, r, rec, problemBody, f)
		return
	}
	token, _ := identity.Bearer(r) // a caller may have come without one
	k := kubeconfig{
		APIVersion: "v1", Kind: "Config", CurrentContext: name,
		Clusters: []namedCluster{{Name: name}},
		Users:    []namedUser{{Name: caller.Name}},
		Contexts: []namedContext{{Name: name}},
	}
	k.Clusters[0].Cluster.Server = s.publicURL(r) + clustersPrefix + name
	if s.cfg.CA != nil {
		k.Clusters[0].Cluster.CA = base64.StdEncoding.EncodeToString(s.cfg.CA())
	}
	k.Users[0].User.Token = token
	k.Contexts[0].Context.Cluster, k.Contexts[0].Context.User = name, caller.Name
	b, err := yaml.Marshal(k)
	if err != nil { // strings only
		panic("bridge: encode kubeconfig: " + err.Error())
	}
	h := w.Header()
	h.Set("Content-Type", "application/yaml")
	h.Set("Cache-Control", "no-store")
	rec.status = http.StatusOK
	n, _ := w.Write(b)
	rec.sent = int64(n)
}

func (s *Server) publicURL(r *http.Request) string {
	if s.cfg.PublicURL != "" {
		return s.cfg.PublicURL
	}
	return "https://" + r.Host
}

package platform

import (
	"encoding/base64"
	"net"
	"net/http"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/platform/endpoint"
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
		Token string       `yaml:"token,omitempty"`
		Exec  *execSection `yaml:"exec,omitempty"`
	} `yaml:"user"`
}

// execSection makes clients run the plugin for a credential.
type execSection struct {
	APIVersion         string   `yaml:"apiVersion"`
	Command            string   `yaml:"command"`
	Args               []string `yaml:"args"`
	InteractiveMode    string   `yaml:"interactiveMode"`
	ProvideClusterInfo bool     `yaml:"provideClusterInfo"`
	InstallHint        string   `yaml:"installHint"`
}

type namedContext struct {
	Name    string `yaml:"name"`
	Context struct {
		Cluster string `yaml:"cluster"`
		User    string `yaml:"user"`
	} `yaml:"context"`
}

// getKubeconfig writes a kubeconfig with the token that the caller presented, or with
// a command that gets one. The cluster may be offline, or not have connected yet.
func (p *Platform) getKubeconfig(w http.ResponseWriter, r *http.Request, rec *answer.Record, at endpoint.Place) {
	name := at.Cluster
	visit, f := p.Door.Visit(r, rec, name)
	if f != nil {
		answer.Fail(w, r, rec, answer.ProblemBody, f)
		return
	}
	server, entry, f := p.address(r, visit, name)
	if f != nil {
		answer.Fail(w, r, rec, answer.ProblemBody, f)
		return
	}
	user, f := p.user(r, visit, entry)
	if f != nil {
		answer.Fail(w, r, rec, answer.ProblemBody, f)
		return
	}
	k := kubeconfig{
		APIVersion: "v1", Kind: "Config", CurrentContext: entry,
		Clusters: []namedCluster{{Name: entry}},
		Users:    []namedUser{user},
		Contexts: []namedContext{{Name: entry}},
	}
	k.Clusters[0].Cluster.Server = server
	if p.CA != nil {
		k.Clusters[0].Cluster.CA = base64.StdEncoding.EncodeToString(p.CA())
	}
	k.Contexts[0].Context.Cluster, k.Contexts[0].Context.User = entry, user.Name
	b, err := yaml.Marshal(k)
	if err != nil { // strings only
		panic("bridge: encode kubeconfig: " + err.Error())
	}
	h := w.Header()
	h.Set("Content-Type", "application/yaml")
	h.Set("Cache-Control", "no-store")
	rec.Status = http.StatusOK
	n, _ := w.Write(b)
	rec.Sent = int64(n)
}

// user returns the credential that the request asks for. A command gets the token of
// whoever runs it, so that one user serves all clusters and all people.
func (p *Platform) user(r *http.Request, visit access.Visit, entry string) (namedUser, *answer.Failure) {
	var u namedUser
	switch auth := r.URL.Query().Get("auth"); auth {
	case "", "token":
		u.Name = visit.Caller.Name + "/" + entry
		u.User.Token, _ = access.Bearer(r) // a caller may have come without one
	case "exec":
		platform := p.publicURL(r)
		u.Name = "fairlead@" + hostOf(platform)
		u.User.Exec = &execSection{
			APIVersion: "client.authentication.k8s.io/v1",
			Command:    "kubectl-fairlead", Args: []string{"token", "--bridge=" + platform},
			InteractiveMode: "Never",
			InstallHint:     "kubectl-fairlead is not in your PATH. It is a kubectl plugin of Fairlead.",
		}
	default:
		return u, answer.Failf(answer.BadRequest, "auth %q is neither token nor exec", answer.Clip(auth))
	}
	return u, nil
}

// address returns the URL of a cluster in the style that the request asks for, and
// a name for it that no other kubeconfig has: when kubeconfigs are merged the first
// of a name wins, and its token would be sent to the other's server.
func (p *Platform) address(r *http.Request, visit access.Visit, name string) (server, entry string, f *answer.Failure) {
	platform := p.publicURL(r)
	switch style := r.URL.Query().Get("style"); {
	case style == "" || style == "path":
		return platform + ClustersPrefix + name, name + "@" + hostOf(platform), nil
	case style != "host":
		return "", "", answer.Failf(answer.BadRequest, "style %q is neither path nor host", answer.Clip(style))
	case p.ClusterDomain == "":
		return "", "", answer.Failf(answer.BadRequest, "style host: this bridge has no domain for the clusters' own hosts (--cluster-domain)")
	}
	scheme, rest, _ := strings.Cut(platform, "://")
	host, _, _ := strings.Cut(rest, "/")
	port := ""
	if _, n, err := net.SplitHostPort(host); err == nil && n != "443" {
		port = ":" + n
	}
	return scheme + "://" + p.ClusterDomain.Host(visit.Cluster) + port, name + "@" + string(p.ClusterDomain) + port, nil
}

// hostOf returns the host of a URL that was checked, and its path, which tells
// apart two bridges behind one host.
func hostOf(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	return strings.TrimSuffix(rest, ":443")
}

func (p *Platform) publicURL(r *http.Request) string {
	if p.PublicURL != "" {
		return p.PublicURL
	}
	return "https://" + r.Host
}

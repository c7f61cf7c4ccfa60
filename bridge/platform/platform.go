package platform

import (
	"context"
	_ "embed"
	"net/http"
	"strings"
	"sync"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/access/approval"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/platform/endpoint"
	"github.com/fairlead-io/fairlead/bridge/tunnel"
)

// ClustersPrefix is the path below which the clusters' APIs are served.
const ClustersPrefix = "/k8s/clusters/"

// Platform serves the API. Its fields are set before the first request and never
// changed. It is safe for concurrent use.
type Platform struct {
	Door   *access.Door
	Tunnel *tunnel.Tunnel
	// PublicURL is where callers reach the bridge, without a slash at its end; ""
	// stands for the host that they asked.
	PublicURL string
	// ClusterDomain is the domain of the clusters' own hosts; the zero value is none.
	ClusterDomain access.ClusterDomain
	// Approvals is where access is asked for and approved; nil: no grant requires it.
	Approvals *approval.Service
	// CA returns the PEM certificates that kubeconfigs shall trust; nil: none.
	CA func() []byte
	// Ready returns why the process takes no requests, nil if it does; it must
	// not block, and ctx ends after healthTimeout.
	Ready func(ctx context.Context) error

	rooms  []endpoint.Route // what Add was given
	once   sync.Once
	routes []endpoint.Route
}

//go:embed openapi.yaml
var openAPI []byte

// Serve answers requests that are not for a cluster's API; path is the undecoded
// path of the request, without what the public URL has before it.
func (p *Platform) Serve(w http.ResponseWriter, r *http.Request, rec *answer.Record, path string) {
	var allowed []string
	routes := p.Routes()
	for i := range routes {
		rt := &routes[i]
		at, ok := rt.Match(path)
		if !ok {
			continue
		}
		rec.Route = rt.Path
		if r.Method == rt.Method || r.Method == http.MethodHead && rt.Method == http.MethodGet {
			at, f := at.Checked()
			if f != nil {
				answer.Fail(w, r, rec, answer.ProblemBody, f)
				return
			}
			rt.Serve(w, r, rec, at)
			return
		}
		allowed = append(allowed, rt.Method)
	}
	if len(allowed) > 0 {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		answer.Fail(w, r, rec, answer.ProblemBody, answer.Failf(answer.WrongMethod, "%s is not allowed at %s, but %s", answer.Clip(r.Method), answer.Clip(path), strings.Join(allowed, ", ")))
		return
	}
	if isKubernetes(path) {
		answer.Fail(w, r, rec, answer.StatusBody, answer.Failf(answer.NotFound, "clusters are not served at %s but below %s{cluster}: "+
			"kubectl proxy needs --append-server-path, and other clients the whole URL of the kubeconfig", answer.Clip(path), ClustersPrefix))
		return
	}
	answer.Fail(w, r, rec, answer.ProblemBody, answer.Failf(answer.NotFound,
		"nothing is served at %s; clusters are at /k8s/clusters/{cluster}/, the page for people is at /ui/, and the API is described at /openapi.yaml", answer.Clip(path)))
}

// isKubernetes reports whether a path is one of a cluster's API. Clients ask
// for these at the root of the bridge when they lost the path of the server's
// URL, as a plain 'kubectl proxy' does (kubernetes/kubernetes#94280).
func isKubernetes(path string) bool {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	switch first {
	case "api", "apis", "openapi", "version":
		return true
	}
	return false
}

func (p *Platform) getOpenAPI(w http.ResponseWriter, _ *http.Request, rec *answer.Record, _ endpoint.Place) {
	w.Header().Set("Content-Type", "application/yaml")
	rec.Status = http.StatusOK
	n, _ := w.Write(openAPI)
	rec.Sent = int64(n)
}

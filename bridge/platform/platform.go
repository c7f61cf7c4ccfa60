package platform

import (
	"context"
	_ "embed"
	"net/http"
	"strings"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/access/approval"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/tenant"
	"github.com/fairlead-io/fairlead/bridge/tunnel"
)

// ClustersPrefix is the path below which the clusters' APIs are served.
const ClustersPrefix = "/k8s/clusters/"

// Platform serves the API. Its fields are set before the first request and never
// changed. It is safe for concurrent use.
type Platform struct {
	Door   *access.Door
	Tunnel *tunnel.Tunnel
	// Tenants are asked which clusters there are and which agents are online.
	Tenants *tenant.Pool
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
}

//go:embed openapi.yaml
var openAPI []byte

// route is one of the platform API's, as openapi.yaml has it.
type route struct {
	method, path string
	// serve gets the text at the place of {cluster} or {id}, which has not been checked.
	serve func(p *Platform, w http.ResponseWriter, r *http.Request, rec *answer.Record, named string)
}

// routes are matched in order; {cluster} and {id} match one segment.
var routes = []route{
	{http.MethodGet, "/openapi.yaml", (*Platform).getOpenAPI},
	{http.MethodGet, "/livez", (*Platform).getLivez},
	{http.MethodGet, "/readyz", (*Platform).getReadyz},
	{http.MethodGet, "/v1/clusters", (*Platform).listClusters},
	{http.MethodGet, "/v1/clusters/{cluster}", (*Platform).getCluster},
	{http.MethodGet, "/v1/clusters/{cluster}/kubeconfig", (*Platform).getKubeconfig},
	{http.MethodPost, "/v1/clusters/{cluster}/requests", (*Platform).postRequest},
	{http.MethodPost, "/v1/clusters/{cluster}/access-reviews", (*Platform).postAccessReview},
	{http.MethodGet, "/v1/whoami", (*Platform).whoami},
	{http.MethodGet, "/v1/access-requests", (*Platform).listAccessRequests},
	{http.MethodPost, "/v1/access-requests", (*Platform).postAccessRequest},
	{http.MethodGet, "/v1/access-requests/{id}", (*Platform).getAccessRequest},
	{http.MethodPost, "/v1/access-requests/{id}/approve", (*Platform).approveAccessRequest},
	{http.MethodPost, "/v1/access-requests/{id}/deny", (*Platform).denyAccessRequest},
	{http.MethodPost, "/v1/access-requests/{id}/end", (*Platform).endAccessRequest},
}

// match reports whether path is the route's, and what is named in it.
func (rt *route) match(path string) (named string, ok bool) {
	before, rest, found := strings.Cut(rt.path, "{")
	if !found {
		return "", path == rt.path
	}
	_, after, _ := strings.Cut(rest, "}")
	named, ok = strings.CutPrefix(path, before)
	if !ok {
		return "", false
	}
	named, ok = strings.CutSuffix(named, after)
	return named, ok && named != "" && !strings.Contains(named, "/")
}

// Serve answers requests that are not for a cluster's API; path is the undecoded
// path of the request, without what the public URL has before it.
func (p *Platform) Serve(w http.ResponseWriter, r *http.Request, rec *answer.Record, path string) {
	var allowed []string
	for i := range routes {
		rt := &routes[i]
		named, ok := rt.match(path)
		if !ok {
			continue
		}
		rec.Route = rt.path
		if r.Method == rt.method || r.Method == http.MethodHead && rt.method == http.MethodGet {
			rt.serve(p, w, r, rec, named)
			return
		}
		allowed = append(allowed, rt.method)
	}
	if len(allowed) > 0 {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		answer.Fail(w, r, rec, answer.ProblemBody, answer.Failf(answer.WrongMethod, "%s is not allowed at %s", answer.Clip(r.Method), answer.Clip(path)))
		return
	}
	if isKubernetes(path) {
		answer.Fail(w, r, rec, answer.StatusBody, answer.Failf(answer.NotFound, "clusters are not served at %s but below %s{cluster}: "+
			"kubectl proxy needs --append-server-path, and other clients the whole URL of the kubeconfig", answer.Clip(path), ClustersPrefix))
		return
	}
	answer.Fail(w, r, rec, answer.ProblemBody, answer.Failf(answer.NotFound,
		"nothing is served at %s; clusters are at /k8s/clusters/{cluster}/, the API is described at /openapi.yaml", answer.Clip(path)))
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

func (p *Platform) getOpenAPI(w http.ResponseWriter, _ *http.Request, rec *answer.Record, _ string) {
	w.Header().Set("Content-Type", "application/yaml")
	rec.Status = http.StatusOK
	n, _ := w.Write(openAPI)
	rec.Sent = int64(n)
}

package bridge

import (
	_ "embed"
	"net/http"
	"strings"
	"time"

	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/subjects"
)

//go:embed openapi.yaml
var openAPI []byte

// route is one of the platform API's, as openapi.yaml has it.
type route struct {
	method, path string
	// serve gets what {cluster} stands for, which nobody has checked.
	serve func(s *Server, w http.ResponseWriter, r *http.Request, rec *record, cluster string)
}

// routes are matched in order; {cluster} matches one segment.
var routes = []route{
	{http.MethodGet, "/openapi.yaml", (*Server).getOpenAPI},
	{http.MethodGet, "/livez", (*Server).getLivez},
	{http.MethodGet, "/readyz", (*Server).getReadyz},
	{http.MethodGet, "/v1/clusters", (*Server).listClusters},
	{http.MethodGet, "/v1/clusters/{cluster}", (*Server).getCluster},
	{http.MethodGet, "/v1/clusters/{cluster}/kubeconfig", (*Server).getKubeconfig},
	{http.MethodPost, "/v1/clusters/{cluster}/requests", (*Server).postRequest},
}

// match reports whether path is the route's, and the cluster in it.
func (rt *route) match(path string) (cluster string, ok bool) {
	before, after, found := strings.Cut(rt.path, "{cluster}")
	if !found {
		return "", path == rt.path
	}
	rest, ok := strings.CutPrefix(path, before)
	if !ok {
		return "", false
	}
	cluster, ok = strings.CutSuffix(rest, after)
	return cluster, ok && cluster != "" && !strings.Contains(cluster, "/")
}

// api serves what is not a cluster's.
func (s *Server) api(w http.ResponseWriter, r *http.Request, rec *record, path string) {
	var allowed []string
	for i := range routes {
		rt := &routes[i]
		cluster, ok := rt.match(path)
		if !ok {
			continue
		}
		if r.Method == rt.method || r.Method == http.MethodHead && rt.method == http.MethodGet {
			rt.serve(s, w, r, rec, cluster)
			return
		}
		allowed = append(allowed, rt.method)
	}
	if len(allowed) > 0 {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		s.fail(w, r, rec, problemBody, failf(wrongMethod, "%s is not allowed at %s", clip(r.Method), clip(path)))
		return
	}
	if isKubernetes(path) {
		s.fail(w, r, rec, statusBody, failf(notFound, "no cluster is served at %s, but below %s{cluster}: "+
			"kubectl proxy needs --append-server-path, and other clients the whole URL of the kubeconfig", clip(path), clustersPrefix))
		return
	}
	s.fail(w, r, rec, problemBody, failf(notFound,
		"nothing is served at %s; clusters are at /k8s/clusters/{cluster}/, the API is described at /openapi.yaml", clip(path)))
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

func (s *Server) getOpenAPI(w http.ResponseWriter, _ *http.Request, rec *record, _ string) {
	w.Header().Set("Content-Type", "application/yaml")
	rec.status = http.StatusOK
	n, _ := w.Write(openAPI)
	rec.sent = int64(n)
}

// clusterView is a cluster in the platform API.
type clusterView struct {
	// Name is how the cluster is written everywhere: prod or prod.tenant.
	Name    string          `json:"name"`
	Tenant  string          `json:"tenant"`
	Cluster string          `json:"cluster"`
	State   directory.State `json:"state"`
	// LastSeen is when an agent of the cluster was last heard.
	LastSeen *time.Time `json:"lastSeen,omitempty"`
	// Kubernetes is the API server's version.
	Kubernetes string         `json:"kubernetes,omitempty"`
	Instances  []instanceView `json:"instances"`
}

type instanceView struct {
	Name  string                 `json:"name"`
	State subjects.PresenceState `json:"state"`
	// Compatible says whether the agent speaks a protocol of this bridge.
	Compatible bool       `json:"compatible"`
	Version    string     `json:"version,omitempty"`
	Started    *time.Time `json:"started,omitempty"`
	LastSeen   time.Time  `json:"lastSeen"`
	Kubernetes string     `json:"kubernetes,omitempty"`
	// APIServerReachable is whether the API server answered the agent.
	APIServerReachable bool `json:"apiServerReachable"`
	// Streams is how many requests the agent serves, of all bridges.
	Streams int `json:"streams"`
}

func view(ref subjects.ClusterRef, c directory.Cluster) clusterView {
	v := clusterView{
		Name: ref.String(), Tenant: ref.Tenant, Cluster: ref.Cluster,
		State: c.State, LastSeen: timePtr(c.LastSeen), Instances: []instanceView{},
	}
	for i := range c.Instances {
		in := &c.Instances[i]
		p := &in.Presence
		if p.Kubernetes != "" {
			v.Kubernetes = p.Kubernetes
		}
		v.Instances = append(v.Instances, instanceView{
			Name: in.Name, State: p.State, Compatible: p.Compatible(), Version: p.Version,
			Started: timePtr(p.Started), LastSeen: in.LastSeen.UTC(),
			Kubernetes: p.Kubernetes, APIServerReachable: p.Reachable, Streams: p.Streams,
		})
	}
	return v
}

func timePtr(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

package inventory

import (
	"context"
	"net/http"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/bridge/platform/endpoint"
	"github.com/fairlead-io/fairlead/bridge/tenant"
	"github.com/fairlead-io/fairlead/bridge/tunnel"
	"github.com/fairlead-io/fairlead/subjects"
)

// Service serves the routes of this package. Its fields are set before the first request
// and never changed. It is safe for concurrent use.
type Service struct {
	// Door decides who calls, and which clusters they may know of.
	Door *access.Door
	// Tenants are asked which clusters there are and which agents are online.
	Tenants *tenant.Pool
	// Watcher knows what was known of clusters that are not connected; nil: nothing.
	Watcher *Watcher
	// Version is the bridge's own, which agents' versions are compared with; "": they are
	// not.
	Version string
}

// Routes are the routes of the service.
func (s *Service) Routes() []endpoint.Route {
	return []endpoint.Route{
		endpoint.Get("/v1/clusters", s.listClusters),
		endpoint.Get("/v1/clusters/{cluster}", s.getCluster),
	}
}

// Clusters returns the clusters that are selected and that the visitor may know of, by
// tenant and name. Those of a tenant that cannot be asked may be missing: [Service.List]
// says of which.
func (s *Service) Clusters(ctx context.Context, v *access.Visitor, sel *Selection) ([]subjects.ClusterRef, *answer.Failure) {
	list, f := s.List(ctx, v, sel)
	if f != nil {
		return nil, f
	}
	refs := make([]subjects.ClusterRef, len(list.Clusters))
	for i := range list.Clusters {
		refs[i] = subjects.ClusterRef{Tenant: list.Clusters[i].Tenant, Cluster: list.Clusters[i].Cluster}
	}
	return refs, nil
}

// List returns the clusters that are selected and that the visitor may know of, as
// GET /v1/clusters has them.
func (s *Service) List(ctx context.Context, v *access.Visitor, sel *Selection) (*api.ClusterList, *answer.Failure) {
	l := lister{service: s, visitor: v, selection: sel}
	list := l.collect()
	if f := l.find(ctx); f != nil {
		return nil, f
	}
	return list, nil
}

func (s *Service) listClusters(w http.ResponseWriter, r *http.Request, rec *answer.Record, _ endpoint.Place) {
	visitor, f := s.Door.Authenticate(r, rec)
	if f != nil {
		answer.Fail(w, r, rec, answer.ProblemBody, f)
		return
	}
	sel, p, f := readQuery(r.URL.RawQuery)
	if f != nil {
		answer.Fail(w, r, rec, answer.ProblemBody, f)
		return
	}
	l := lister{service: s, visitor: visitor, selection: sel, page: p}
	var body answer.Body
	end := l.encode(&body)
	if f := l.find(r.Context()); f != nil {
		body.Drop()
		answer.Fail(w, r, rec, answer.ProblemBody, f)
		return
	}
	end()
	answer.JSONBody(w, r, rec, http.StatusOK, &body)
}

func (s *Service) looks(v *access.Visitor, ref subjects.ClusterRef, c *directory.Cluster) looks {
	l := looks{operators: v.ClusterLabels(ref), version: s.Version, now: time.Now()}
	if len(c.Instances) == 0 {
		l.last = s.Watcher.last(ref)
	}
	return l
}

func (s *Service) getCluster(w http.ResponseWriter, r *http.Request, rec *answer.Record, at endpoint.Place) {
	name := at.Cluster
	visit, f := s.Door.Visit(r, rec, name)
	if f != nil {
		answer.Fail(w, r, rec, answer.ProblemBody, f)
		return
	}
	ref := visit.Cluster
	conn, err := s.Tenants.Acquire(r.Context(), ref.Tenant)
	if err != nil {
		answer.Fail(w, r, rec, answer.ProblemBody, tunnel.Explain(r.Context(), name, nil, err))
		return
	}
	defer conn.Release()
	rec.Tenant = ref.Tenant
	conn.Directory().Refresh(r.Context(), ref.Cluster)
	c := conn.Directory().Cluster(ref.Cluster)
	if c.State != directory.Connected && c.State != directory.Reconnecting {
		// Picking asks a cluster not heard of yet and waits for its answer.
		var in *directory.Instance
		if in, err = conn.Directory().Pick(r.Context(), ref.Cluster, new(directory.Attempt)); err == nil {
			in.Release()
		}
		c = conn.Directory().Cluster(ref.Cluster)
	}
	// Nothing is known about a cluster that the bridge could not have heard.
	if c.State == directory.Unknown || c.State == directory.Disconnected && c.LastSeen.IsZero() {
		answer.Fail(w, r, rec, answer.ProblemBody, tunnel.Explain(r.Context(), name, conn, err))
		return
	}
	answer.JSON(w, r, rec, http.StatusOK, view(ref, &c, s.looks(&visit.Visitor, ref, &c), nil))
}

package bridge

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/bridge/tenant"
	"github.com/fairlead-io/fairlead/subjects"
)

// listenTime is how long after a connection came up every agent has been heard:
// agents cannot be asked without knowing their clusters' names.
const listenTime = subjects.HeartbeatInterval + 500*time.Millisecond

// clusterList is the answer to GET /v1/clusters.
type clusterList struct {
	Clusters []clusterView `json:"clusters"`
	// Unavailable are the tenants whose clusters may be missing, or be others.
	Unavailable []tenantFault `json:"unavailable,omitempty"`
}

// tenantFault says why not all of a tenant's clusters are known.
type tenantFault struct {
	Tenant string `json:"tenant"`
	// Code is one of those that the bridge's own answers have.
	Code   string `json:"code"`
	Reason string `json:"reason"`
}

// listClusters connects every tenant that the caller may see: a list without
// those that were not used lately would be wrong. Callers with thousands of
// tenants name one. One tenant's fault does not keep the others from the list.
func (s *Server) listClusters(w http.ResponseWriter, r *http.Request, rec *record, _ string) {
	caller, f := s.authenticate(r, rec)
	if f != nil {
		s.fail(w, r, rec, problemBody, f)
		return
	}
	tenants := s.cfg.Tenants.Names()
	if t := r.URL.Query().Get("tenant"); t != "" {
		tenants = []string{t}
	}
	var heard []*heardTenant
	var all sync.WaitGroup
	for _, t := range tenants {
		if !s.cfg.Authorizer.AuthorizeTenant(caller, t) {
			continue
		}
		h := &heardTenant{name: t}
		heard = append(heard, h)
		// All at once: each takes up to listenTime.
		all.Go(func() { h.listen(r.Context(), s.cfg.Tenants) })
	}
	all.Wait()
	defer func() {
		for _, h := range heard {
			if h.conn != nil {
				h.conn.Release()
			}
		}
	}()
	list := clusterList{Clusters: []clusterView{}}
	for _, h := range heard {
		if h.err != nil {
			f := explain(r.Context(), "", h.conn, h.err)
			if h.listFails(r.Context()) {
				s.fail(w, r, rec, problemBody, f)
				return
			}
			list.Unavailable = append(list.Unavailable, tenantFault{Tenant: h.name, Code: f.kind.code, Reason: f.detail})
		}
		if h.conn == nil {
			continue
		}
		for _, c := range h.conn.Directory().Clusters() {
			ref := subjects.ClusterRef{Tenant: h.name, Cluster: c.Name}
			if s.cfg.Authorizer.Authorize(caller, ref) == nil {
				list.Clusters = append(list.Clusters, view(ref, c))
			}
		}
	}
	writeJSON(w, rec, http.StatusOK, list)
}

// heardTenant is a tenant whose agents are listened for.
type heardTenant struct {
	name string
	conn *tenant.Conn // nil: none was to be had
	err  error        // why not all of its agents were heard
}

// listen connects the tenant and waits until every agent has been heard. It
// takes listenTime once there is a connection.
func (h *heardTenant) listen(ctx context.Context, pool *tenant.Pool) {
	if h.conn, h.err = pool.Acquire(ctx, h.name); h.err == nil {
		h.err = h.conn.Directory().Listen(ctx, listenTime)
	}
}

// listFails reports whether h's error is one of the whole request: the caller
// has gone, the bridge stops, or there is no such tenant.
func (h *heardTenant) listFails(ctx context.Context) bool {
	return ctx.Err() != nil || errors.Is(h.err, tenant.ErrClosed) || errors.Is(h.err, tenant.ErrUnknown)
}

func (s *Server) getCluster(w http.ResponseWriter, r *http.Request, rec *record, name string) {
	ref, _, f := s.admit(r, rec, name)
	if f != nil {
		s.fail(w, r, rec, problemBody, f)
		return
	}
	conn, err := s.cfg.Tenants.Acquire(r.Context(), ref.Tenant)
	if err != nil {
		s.fail(w, r, rec, problemBody, explain(r.Context(), name, nil, err))
		return
	}
	defer conn.Release()
	rec.tenant = ref.Tenant
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
	// Of one that was not heard while nothing could be, nothing is known.
	if c.State == directory.Unknown || c.State == directory.Disconnected && c.LastSeen.IsZero() {
		s.fail(w, r, rec, problemBody, explain(r.Context(), name, conn, err))
		return
	}
	writeJSON(w, rec, http.StatusOK, view(ref, c))
}

package platform

import (
	"context"
	"errors"
	"net/http"
	"sync"
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

// listenTime is how long after a connection came up every agent has been heard:
// agents cannot be asked without knowing their clusters' names.
const listenTime = subjects.HeartbeatInterval + 500*time.Millisecond

// listClusters connects every tenant that the caller may see: a list without
// those that were not used lately would be wrong. Callers with thousands of
// tenants name one. One tenant's fault does not keep the others from the list.
func (p *Platform) listClusters(w http.ResponseWriter, r *http.Request, rec *answer.Record, _ endpoint.Place) {
	visitor, f := p.Door.Authenticate(r, rec)
	if f != nil {
		answer.Fail(w, r, rec, answer.ProblemBody, f)
		return
	}
	tenants, f := visibleTenants(r, p.Tenants.Names(), visitor)
	if f != nil {
		answer.Fail(w, r, rec, answer.ProblemBody, f)
		return
	}
	heard := make([]*heardTenant, len(tenants))
	var all sync.WaitGroup
	for i, t := range tenants {
		h := &heardTenant{name: t}
		heard[i] = h
		// All at once: each takes up to listenTime.
		all.Go(func() { h.listen(r.Context(), p.Tenants) })
	}
	all.Wait()
	defer func() {
		for _, h := range heard {
			if h.conn != nil {
				h.conn.Release()
			}
		}
	}()
	list := api.ClusterList{Clusters: []api.Cluster{}}
	for _, h := range heard {
		if h.err != nil {
			f := tunnel.Explain(r.Context(), "", h.conn, h.err)
			if h.listFails(r.Context()) {
				answer.Fail(w, r, rec, answer.ProblemBody, f)
				return
			}
			list.Unavailable = append(list.Unavailable, api.TenantFault{Tenant: h.name, Code: f.Kind.Code, Reason: f.Detail})
		}
		if h.conn == nil {
			continue
		}
		for _, c := range h.conn.Directory().Clusters() {
			ref := subjects.ClusterRef{Tenant: h.name, Cluster: c.Name}
			visible, f := visitor.Visible(r.Context(), ref)
			if f != nil {
				answer.Fail(w, r, rec, answer.ProblemBody, f)
				return
			}
			if visible {
				list.Clusters = append(list.Clusters, view(ref, c))
			}
		}
	}
	answer.JSON(w, r, rec, http.StatusOK, list)
}

// visibleTenants returns the tenants that the caller asks for and may know of.
func visibleTenants(r *http.Request, tenants []string, visitor *access.Visitor) ([]string, *answer.Failure) {
	if t := r.URL.Query().Get("tenant"); t != "" {
		tenants = []string{t}
	}
	var all []string
	for _, t := range tenants {
		visible, f := visitor.TenantVisible(r.Context(), t)
		if f != nil {
			return nil, f
		}
		if visible {
			all = append(all, t)
		}
	}
	return all, nil
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

func (p *Platform) getCluster(w http.ResponseWriter, r *http.Request, rec *answer.Record, at endpoint.Place) {
	name := at.Cluster
	visit, f := p.Door.Visit(r, rec, name)
	if f != nil {
		answer.Fail(w, r, rec, answer.ProblemBody, f)
		return
	}
	ref := visit.Cluster
	conn, err := p.Tenants.Acquire(r.Context(), ref.Tenant)
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
	answer.JSON(w, r, rec, http.StatusOK, view(ref, c))
}

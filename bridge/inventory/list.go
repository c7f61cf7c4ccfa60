package inventory

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/bridge/tenant"
	"github.com/fairlead-io/fairlead/bridge/tunnel"
	"github.com/fairlead-io/fairlead/subjects"
)

// listenTime is how long after a connection came up every agent has been heard:
// agents cannot be asked without knowing their clusters' names.
const listenTime = subjects.HeartbeatInterval + 500*time.Millisecond

// find has l find clusters. It connects every tenant that the caller asks for and may see: a
// list without those that were not used lately would be wrong.
func (l *lister) find(ctx context.Context) *answer.Failure {
	pool := l.service.Tenants
	tenants, f := l.visibleTenants(ctx, pool.Names())
	if f != nil {
		return f
	}
	heard := make([]*heardTenant, len(tenants))
	var all sync.WaitGroup
	for i, t := range tenants {
		h := &heardTenant{name: t}
		heard[i] = h
		// All at once: each takes up to listenTime.
		all.Go(func() { h.listen(ctx, pool) })
	}
	all.Wait()
	defer func() {
		for _, h := range heard {
			if h.conn != nil {
				h.conn.Release()
			}
		}
	}()
	for _, h := range heard {
		if f := l.add(ctx, h); f != nil {
			return f
		}
	}
	return nil
}

// visibleTenants returns the tenants that the caller asks for and may know of, and that
// are not on earlier pages.
func (l *lister) visibleTenants(ctx context.Context, tenants []string) (all []string, f *answer.Failure) {
	if only := l.selection.Tenant; only != "" {
		tenants = []string{only}
	}
	for _, t := range tenants {
		if l.page.past(t) {
			continue
		}
		visible, f := l.visitor.TenantVisible(ctx, t)
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

// listen connects the tenant and waits until every agent has been heard. It takes
// listenTime once there is a connection, less if a roll call was answered, and no time if the
// connection has been there for so long.
func (h *heardTenant) listen(ctx context.Context, pool *tenant.Pool) {
	if h.conn, h.err = pool.Acquire(ctx, h.name); h.err == nil {
		h.err = h.conn.Directory().ListenComplete(ctx, listenTime)
	}
}

// listFails reports whether h's error is one of the whole request: the caller
// has gone, the bridge stops, or there is no such tenant.
func (h *heardTenant) listFails(ctx context.Context) bool {
	return ctx.Err() != nil || errors.Is(h.err, tenant.ErrClosed) || errors.Is(h.err, tenant.ErrUnknown)
}

// lister finds the clusters of one list.
type lister struct {
	service   *Service
	visitor   *access.Visitor
	selection *Selection
	page      page
	// take gets each cluster, which is the lister's again when it returns, and returns memory
	// for the instances of the next; nil: there is none.
	take func(*api.Cluster) (room []api.Instance)

	found   api.Cluster    // the latest
	room    []api.Instance // what take returned
	n       int            // how many were taken
	last    subjects.ClusterRef
	full    bool
	further api.ClusterList // what the list has besides clusters
}

// collect has the clusters appended to the list.
func (l *lister) collect() *api.ClusterList {
	l.further.Clusters = []api.Cluster{}
	l.take = func(c *api.Cluster) []api.Instance {
		l.further.Clusters = append(l.further.Clusters, *c)
		return nil
	}
	return &l.further
}

// add adds a tenant's clusters.
func (l *lister) add(ctx context.Context, h *heardTenant) *answer.Failure {
	if h.err != nil {
		f := tunnel.Explain(ctx, "", h.conn, h.err)
		if errors.Is(h.err, tenant.ErrUnknown) {
			f = answer.Failf(answer.UnknownCluster, "tenant: %q is not known to this bridge", answer.Clip(h.name))
		}
		if h.listFails(ctx) {
			return f
		}
		l.further.Unavailable = append(l.further.Unavailable, api.TenantFault{Tenant: h.name, Code: f.Kind.Code, Reason: f.Detail})
	}
	if h.conn == nil || l.full {
		return nil
	}
	for c := range l.known(h) {
		if f := l.addCluster(ctx, subjects.ClusterRef{Tenant: h.name, Cluster: c.Name}, c); f != nil || l.full {
			return f
		}
	}
	return nil
}

// known returns the clusters of a tenant by name: those of its directory, and those that
// the operator has labelled by name. It may leave out those of earlier pages.
func (l *lister) known(h *heardTenant) iter.Seq[*directory.Cluster] {
	return func(yield func(*directory.Cluster) bool) {
		from := ""
		if h.name == l.page.after.Tenant {
			from = l.page.after.Cluster
		}
		dir := h.conn.Directory()
		labeled := slices.Sorted(slices.Values(l.visitor.LabeledClusters(h.name)))
		alone := func(name string) bool {
			c := dir.Cluster(name)
			return c.State == directory.Unknown || yield(&c)
		}
		for c := range dir.All(from) {
			for ; len(labeled) > 0 && labeled[0] <= c.Name; labeled = labeled[1:] {
				if name := labeled[0]; name < c.Name && !alone(name) {
					return
				}
			}
			if !yield(c) {
				return
			}
		}
		for _, name := range labeled {
			if !alone(name) {
				return
			}
		}
	}
}

// addCluster adds a cluster, if it is selected and the caller may know of it. Whether it may
// is decided first: where another service is asked for it, the time that takes, or that it
// fails, would otherwise tell of the state and the labels of clusters that are not visible.
func (l *lister) addCluster(ctx context.Context, ref subjects.ClusterRef, c *directory.Cluster) *answer.Failure {
	if l.page.before(ref) {
		return nil
	}
	visible, f := l.visitor.Visible(ctx, ref)
	if f != nil || !visible {
		return f
	}
	if !l.selection.state(c.State) {
		return nil
	}
	l.found = view(ref, c, l.service.looks(l.visitor, ref, c), l.room)
	if !l.selection.labels(l.found.Labels) {
		return nil
	}
	if l.page.limit > 0 && l.n == l.page.limit {
		l.further.Continue = continueAfter(l.last)
		l.full = true
		return nil
	}
	l.room = l.take(&l.found)
	l.n, l.last = l.n+1, ref
	return nil
}

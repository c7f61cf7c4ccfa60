package inventory

import (
	"context"
	"errors"
	"slices"
	"strings"
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

// list connects every tenant that the caller asks for and may see: a list without those
// that were not used lately would be wrong.
func (s *Service) list(ctx context.Context, v *access.Visitor, sel *Selection, p *page) (*api.ClusterList, *answer.Failure) {
	tenants, f := s.visibleTenants(ctx, v, sel.Tenant, p)
	if f != nil {
		return nil, f
	}
	heard := make([]*heardTenant, len(tenants))
	var all sync.WaitGroup
	for i, t := range tenants {
		h := &heardTenant{name: t}
		heard[i] = h
		// All at once: each takes up to listenTime.
		all.Go(func() { h.listen(ctx, s.Tenants) })
	}
	all.Wait()
	defer func() {
		for _, h := range heard {
			if h.conn != nil {
				h.conn.Release()
			}
		}
	}()
	l := lister{service: s, visitor: v, selection: sel, page: p, list: &api.ClusterList{Clusters: []api.Cluster{}}}
	for _, h := range heard {
		if f := l.add(ctx, h); f != nil {
			return nil, f
		}
	}
	return l.list, nil
}

// visibleTenants returns the tenants that the caller asks for and may know of, and that
// are not on earlier pages.
func (s *Service) visibleTenants(ctx context.Context, v *access.Visitor, only string, p *page) ([]string, *answer.Failure) {
	tenants := s.Tenants.Names()
	if only != "" {
		tenants = []string{only}
	}
	var all []string
	for _, t := range tenants {
		if p.past(t) {
			continue
		}
		visible, f := v.TenantVisible(ctx, t)
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

// lister makes one list.
type lister struct {
	service   *Service
	visitor   *access.Visitor
	selection *Selection
	page      *page
	list      *api.ClusterList
	full      bool
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
		l.list.Unavailable = append(l.list.Unavailable, api.TenantFault{Tenant: h.name, Code: f.Kind.Code, Reason: f.Detail})
	}
	if h.conn == nil || l.full {
		return nil
	}
	for _, c := range l.known(h) {
		if f := l.addCluster(ctx, subjects.ClusterRef{Tenant: h.name, Cluster: c.Name}, &c); f != nil || l.full {
			return f
		}
	}
	return nil
}

// known returns the clusters of a tenant by name: those of its directory, and those that
// the operator has labelled by name.
func (l *lister) known(h *heardTenant) []directory.Cluster {
	dir := h.conn.Directory()
	all := dir.Clusters()
	found := len(all)
	for _, name := range l.visitor.LabeledClusters(h.name) {
		_, there := slices.BinarySearchFunc(all[:found], name, func(c directory.Cluster, name string) int { return strings.Compare(c.Name, name) })
		if c := dir.Cluster(name); !there && c.State != directory.Unknown {
			all = append(all, c)
		}
	}
	if len(all) > found {
		slices.SortFunc(all, func(a, b directory.Cluster) int { return strings.Compare(a.Name, b.Name) })
	}
	return all
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
	all := view(ref, c, l.service.looks(l.visitor, ref))
	if !l.selection.labels(all.Labels) {
		return nil
	}
	if n := len(l.list.Clusters); l.page.limit > 0 && n == l.page.limit {
		last := &l.list.Clusters[n-1]
		l.list.Continue = continueAfter(subjects.ClusterRef{Tenant: last.Tenant, Cluster: last.Cluster})
		l.full = true
		return nil
	}
	l.list.Clusters = append(l.list.Clusters, all)
	return nil
}

package watch

import (
	"context"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/inventory"
	"github.com/fairlead-io/fairlead/subjects"
)

// selectInterval is how often it is asked which clusters are selected.
const selectInterval = 5 * time.Second

// find returns the clusters that are selected.
func (s *Service) find(ctx context.Context, v *access.Visitor, sel *inventory.Selection) ([]subjects.ClusterRef, *answer.Failure) {
	list, f := s.Inventory.List(ctx, v, sel)
	if f != nil {
		return nil, f
	}
	if n := len(list.Clusters); n > maxClusters {
		return nil, answer.Failf(answer.BadRequest, "%d clusters are selected, want at most %d: name a tenant, or select fewer by labels", n, maxClusters)
	}
	return refsOf(list), nil
}

func refsOf(list *api.ClusterList) []subjects.ClusterRef {
	refs := make([]subjects.ClusterRef, len(list.Clusters))
	for i := range list.Clusters {
		refs[i] = subjects.ClusterRef{Tenant: list.Clusters[i].Tenant, Cluster: list.Clusters[i].Cluster}
	}
	return refs
}

// follow watches the clusters that are selected, as they come and go, until ctx ends.
func (c *run) follow(ctx context.Context, refs []subjects.ClusterRef) {
	all := make(map[subjects.ClusterRef]*running)
	tick := time.NewTicker(selectInterval)
	defer tick.Stop()
	for {
		for _, ref := range refs {
			if all[ref] == nil && len(all) < maxClusters {
				all[ref] = c.begin(ctx, ref)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		now, f := c.visitor.Current(ctx) // by the labels and grants of now
		if f != nil {
			continue // whoever may no longer ask is ended by the credential's hold
		}
		list, f := c.s.Inventory.List(ctx, now, c.query.selection)
		if f != nil {
			continue
		}
		refs = refsOf(list)
		leave(all, list)
	}
}

// running is a cluster that is watched, or was.
type running struct {
	stop context.CancelFunc
	done chan struct{} // closed when stop was called and the last line is written
}

// begin begins the watch of a cluster.
func (c *run) begin(ctx context.Context, ref subjects.ClusterRef) *running {
	one, stop := context.WithCancel(ctx)
	r := &running{stop: stop, done: make(chan struct{})}
	m := c.member(ref)
	c.members.Go(func() {
		m.watch(one)
		<-one.Done() // one that has ended by itself is not begun again
		if ctx.Err() == nil {
			_ = m.write(&api.WatchLine{State: api.WatchEnded})
		}
		stop()
		close(r.done)
	})
	return r
}

// leave ends the watches of clusters that are no longer selected, but not of those of
// tenants that could not be asked.
func leave(all map[subjects.ClusterRef]*running, list *api.ClusterList) {
	keep := make(map[subjects.ClusterRef]bool, len(list.Clusters))
	for _, ref := range refsOf(list) {
		keep[ref] = true
	}
	unasked := make(map[string]bool, len(list.Unavailable))
	for _, t := range list.Unavailable {
		unasked[t.Tenant] = true
	}
	for ref, r := range all {
		if keep[ref] || unasked[ref.Tenant] {
			continue
		}
		r.stop()
		select {
		case <-r.done: // only then it may begin again: its lines have an order
			delete(all, ref)
		default:
		}
	}
}

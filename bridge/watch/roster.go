package watch

import (
	"context"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/bridge/inventory"
	"github.com/fairlead-io/fairlead/subjects"
)

// found are clusters that were looked for.
type found struct {
	// ClusterList is of those that are selected.
	*api.ClusterList
	// staying are those that are watched on if they are: see stays.
	staying []subjects.ClusterRef
}

// find returns the clusters that are selected.
func (s *Service) find(ctx context.Context, v *access.Visitor, sel *inventory.Selection) (*found, *answer.Failure) {
	inAnyState := *sel
	inAnyState.State = ""
	list, f := s.Inventory.List(ctx, v, &inAnyState)
	if f != nil {
		return nil, f
	}
	all := &found{ClusterList: list}
	if sel.State == "" {
		return all, nil
	}
	selected := list.Clusters[:0]
	for _, one := range list.Clusters {
		switch state := directory.State(one.State); {
		case state == sel.State:
			selected = append(selected, one)
		case stays(sel.State, state):
			all.staying = append(all.staying, subjects.ClusterRef{Tenant: one.Tenant, Cluster: one.Cluster})
		}
	}
	list.Clusters = selected
	return all, nil
}

// stays reports whether a cluster of this state is watched on where it was watched because
// of the other. Who lost its connection a moment ago is about to be back: after the loss of
// one of several brokers that are a third of the clusters, which would all be listed anew.
func stays(selected, now directory.State) bool {
	return selected == directory.Connected && now == directory.Reconnecting
}

// few refuses a selection of more clusters than one watch may have.
func few(list *found) *answer.Failure {
	if n := len(list.Clusters); n > maxClusters {
		return answer.Failf(answer.BadRequest, "%d clusters are selected, want at most %d: name a tenant, or select fewer by labels", n, maxClusters)
	}
	return nil
}

func refsOf(list *found) []subjects.ClusterRef {
	refs := make([]subjects.ClusterRef, len(list.Clusters))
	for i := range list.Clusters {
		refs[i] = subjects.ClusterRef{Tenant: list.Clusters[i].Tenant, Cluster: list.Clusters[i].Cluster}
	}
	return refs
}

// follow watches the clusters that are selected, as they come and go, until ctx ends.
func (c *run) follow(ctx context.Context, list *found) {
	all := make(map[subjects.ClusterRef]*running)
	looks := looks{changed: c.query.changed}
	for {
		keep := kept(list)
		leave(all, keep)
		for _, ref := range refsOf(list) {
			if all[ref] == nil && len(all) < maxClusters {
				all[ref] = c.begin(ctx, ref)
			}
		}
		c.absent(keep)
		if list = c.again(ctx, &looks); list == nil {
			return
		}
	}
}

// again asks once more which clusters are selected, when it is time to. It returns nil when
// ctx has ended.
func (c *run) again(ctx context.Context, looks *looks) *found {
	for looks.wait(ctx) {
		begun := time.Now()
		now, f := c.visitor.Current(ctx) // by the labels and grants of now
		if f != nil {
			continue // whoever may no longer ask is ended by the credential's hold
		}
		list, f := c.s.find(ctx, now, c.query.selection)
		looks.took(time.Since(begun))
		if f == nil {
			return list
		}
	}
	return nil
}

// absent ends the clusters that the client wants to go on with and that are not selected
// any more, so that it learns of each what has become of it.
func (c *run) absent(keep func(subjects.ClusterRef) bool) {
	for ref := range c.query.from {
		if !keep(ref) {
			delete(c.query.from, ref)
			_ = c.send(&api.WatchLine{Cluster: ref.String(), State: api.WatchEnded})
		}
	}
}

// running is a cluster that is watched, or was.
type running struct {
	stop context.CancelFunc
	left bool          // it was no longer selected, and may be selected again
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

// kept says which clusters are not to be left: those that are selected or stay, and those of
// tenants that could not be asked.
func kept(list *found) func(subjects.ClusterRef) bool {
	keep := make(map[subjects.ClusterRef]bool, len(list.Clusters))
	for _, ref := range append(refsOf(list), list.staying...) {
		keep[ref] = true
	}
	unasked := make(map[string]bool, len(list.Unavailable))
	for _, t := range list.Unavailable {
		unasked[t.Tenant] = true
	}
	return func(ref subjects.ClusterRef) bool { return keep[ref] || unasked[ref.Tenant] }
}

// leave ends the watches of clusters that are no longer selected, and forgets those that
// have ended: they may be begun again, also if they are back before that.
func leave(all map[subjects.ClusterRef]*running, keep func(subjects.ClusterRef) bool) {
	for ref, r := range all {
		if !keep(ref) {
			r.left = true
			r.stop()
		}
		if !r.left { // one that has ended by itself stays
			continue
		}
		select {
		case <-r.done: // only then it may begin again: its lines have an order
			delete(all, ref)
		default:
		}
	}
}

package bridge

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/client"
	"github.com/fairlead-io/fairlead/bridge/tenant"
)

// TestMergedWatchFollowsTheGrants: a cluster that the caller may no longer know of ends,
// whether it is watched or waited for, and the others go on.
func TestMergedWatchFollowsTheGrants(t *testing.T) {
	t.Parallel()
	h := newHoldRig(t)
	stays, goes := newWatchSource("a"), newWatchSource("a")
	h.agent("default", "stays", stays.serve)
	h.agent("default", "goes", goes.serve)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	v := h.view(ctx, h.goClient(h.changed), client.WatchOptions{Path: "/api/v1/pods", Clusters: []string{"stays", "goes", "away"}})
	h.eventually("it has begun", func() bool {
		_, s := v.of("stays")
		_, g := v.of("goes")
		_, a := v.of("away")
		return slices.Equal(s, []string{"started"}) && slices.Equal(g, s) && slices.Equal(a, []string{"waiting cluster-never-connected"})
	})
	h.writeTokens(caller{"changed", h.changedHash, []string{"stays"}}, h.keeps)
	h.eventually("what is watched ends", func() bool {
		_, states := v.of("goes")
		return slices.Equal(states, []string{"started", "ended forbidden"})
	})
	h.eventually("what is waited for ends", func() bool {
		_, states := v.of("away")
		return slices.Equal(states, []string{"waiting cluster-never-connected", "ended forbidden"})
	})
	stays.happens("MODIFIED", "a")
	h.eventually("the other one goes on", func() bool {
		events, states := v.of("stays")
		return slices.Equal(states, []string{"started"}) && len(events) > 0 && events[len(events)-1] == "MODIFIED a 102"
	})
}

// TestMergedWatchOfARemovedTenant: its clusters end, watched or waited for, named or
// selected; those of another go on.
func TestMergedWatchOfARemovedTenant(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	for _, tenant := range []string{"lab", "acme"} {
		r.agent(tenant, "on", newWatchSource("a").serve)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	named := r.view(ctx, r.goClient(r.token), client.WatchOptions{Path: "/api/v1/pods", Clusters: []string{"on.lab", "off.lab", "on.acme"}})
	selected := r.view(ctx, r.goClient(r.token), client.WatchOptions{Path: "/api/v1/pods", Selector: new(string), State: "online"})
	alone := r.view(ctx, r.goClient(r.token), client.WatchOptions{Path: "/api/v1/pods", Selector: new(string), Tenant: "lab"})
	is := func(v *view, cluster, want string) {
		t.Helper()
		r.eventually(cluster+" to be "+want, func() bool {
			_, states := v.of(cluster)
			return len(states) > 0 && strings.HasPrefix(states[len(states)-1], want)
		})
	}
	is(named, "on.lab", "started")
	is(named, "off.lab", "waiting cluster-never-connected")
	is(selected, "on.lab", "started")
	is(alone, "on.lab", "started")
	list := tenant.List{}
	for name, entry := range *r.list.Load() {
		if name != "lab" {
			list[name] = entry
		}
	}
	r.list.Store(&list)
	is(named, "on.lab", "ended unknown-cluster")
	is(named, "off.lab", "ended unknown-cluster")
	is(alone, "on.lab", "ended")
	is(selected, "on.lab", "ended")
	is(named, "on.acme", "started")
	is(selected, "on.acme", "started")
}

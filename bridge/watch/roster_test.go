package watch

import (
	"context"
	"slices"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/bridge/inventory"
	"github.com/fairlead-io/fairlead/subjects"
)

// TestLeave: a cluster that is selected again before its watch has ended is begun again when
// it has, and one that has ended by itself is not.
func TestLeave(t *testing.T) {
	ref, other := subjects.ClusterRef{Tenant: "acme", Cluster: "prod"}, subjects.ClusterRef{Tenant: "acme", Cluster: "dev"}
	stops := 0
	r := &running{stop: func() { stops++ }, done: make(chan struct{})}
	all := map[subjects.ClusterRef]*running{ref: r, other: {stop: func() { t.Error("stopped") }, done: make(chan struct{})}}
	selected := func(subjects.ClusterRef) bool { return true }
	leave(all, func(one subjects.ClusterRef) bool { return one == other })
	if stops == 0 || all[ref] == nil {
		t.Fatalf("stopped %d times, %v", stops, all)
	}
	leave(all, selected) // its last line is not written yet
	if all[ref] == nil {
		t.Fatal("it would be begun before it has ended")
	}
	close(r.done)
	leave(all, selected)
	if all[ref] != nil || all[other] == nil {
		t.Errorf("%v", all)
	}
}

// clusters is an inventory with a cluster in each state.
type clusters []directory.State

func (c clusters) List(_ context.Context, _ *access.Visitor, s *inventory.Selection) (*api.ClusterList, *answer.Failure) {
	list := &api.ClusterList{}
	for _, state := range c {
		if s.State == "" || s.State == state {
			list.Clusters = append(list.Clusters, api.Cluster{Cluster: string(state), Tenant: "acme", State: string(state)})
		}
	}
	return list, nil
}

// TestReconnectingStays: a cluster whose agent lost its connection a moment ago is not begun
// by a watch of those that are online, but goes on in it.
func TestReconnectingStays(t *testing.T) {
	s := &Service{Inventory: clusters{directory.Connected, directory.Reconnecting, directory.Offline}}
	for _, tc := range []struct {
		state        directory.State
		begun, stays []directory.State
	}{
		{directory.Connected, []directory.State{directory.Connected}, []directory.State{directory.Connected, directory.Reconnecting}},
		{directory.Reconnecting, []directory.State{directory.Reconnecting}, []directory.State{directory.Reconnecting}},
		{directory.Offline, []directory.State{directory.Offline}, []directory.State{directory.Offline}},
		{"", []directory.State{directory.Connected, directory.Reconnecting, directory.Offline}, []directory.State{directory.Connected, directory.Reconnecting, directory.Offline}},
	} {
		list, f := s.find(t.Context(), nil, &inventory.Selection{State: tc.state})
		if f != nil {
			t.Fatal(f)
		}
		var begun, stays []directory.State
		for _, ref := range refsOf(list) {
			begun = append(begun, directory.State(ref.Cluster))
		}
		keep := kept(list)
		for _, state := range s.Inventory.(clusters) {
			if keep(subjects.ClusterRef{Tenant: "acme", Cluster: string(state)}) {
				stays = append(stays, state)
			}
		}
		if !slices.Equal(begun, tc.begun) || !slices.Equal(stays, tc.stays) {
			t.Errorf("state %q: %v begin and %v stay, want %v and %v", tc.state, begun, stays, tc.begun, tc.stays)
		}
	}
}

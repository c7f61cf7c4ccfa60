package watch

import (
	"testing"

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

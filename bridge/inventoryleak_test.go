package bridge

import (
	"testing"

	"github.com/fairlead-io/fairlead/bridge/client"
)

// TestSelectionAsksNothingOfInvisibleClusters: what the access review service is asked for a
// list, and so how long that takes and whether it fails, is the same whatever state and labels
// the clusters have that the caller may not know of.
func TestSelectionAsksNothingOfInvisibleClusters(t *testing.T) {
	v := newReviewer(t, "of-the-bridge")
	v.denies = true
	file := newAccessFile(t, v.section()+`clusters:
  prod.acme: {labels: {env: prod}}
  hidden.acme: {labels: {secret: plan}}
grants:
- {name: zoe, clusters: ["prod.acme"], when: ['caller.name.startsWith("known-")'], as: {agent: true}}
`)
	r := newRig(t, rigOptions{config: file.configure})
	r.agent("acme", "prod", hello)
	r.agent("acme", "hidden", hello)
	// Each filter has a caller of its own, of whom no review is kept.
	asked := func(token string, filter client.ClusterFilter) int {
		t.Helper()
		filter.Tenant = "acme"
		before := v.reviewed()
		list, err := r.goClient(token).Clusters(t.Context(), filter)
		if err != nil || len(list.Clusters) > 1 || len(list.Clusters) == 1 && list.Clusters[0].Name != "prod.acme" {
			t.Fatalf("%+v: %v, %v", filter, names(list), err)
		}
		return v.reviewed() - before
	}
	want := asked("known-1", client.ClusterFilter{})
	for token, filter := range map[string]client.ClusterFilter{
		"known-2": {LabelSelector: "secret=plan"},
		"known-3": {LabelSelector: "secret=other"},
		"known-4": {State: "online"},
		"known-5": {State: "offline"},
	} {
		if got := asked(token, filter); got != want || got == 0 {
			t.Errorf("%+v: %d accesses were reviewed, want %d as for all clusters", filter, got, want)
		}
	}
}

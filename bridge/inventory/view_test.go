package inventory

import (
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/subjects"
)

// TestIncompatible: an instance that speaks no version of this bridge says which of the
// two is too old.
func TestIncompatible(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for versions, want := range map[[2]int]string{
		{subjects.MinVersion - 1, subjects.MinVersion - 1}: "agent-too-old",
		{subjects.Version + 1, subjects.Version + 2}:       "protocol-mismatch",
	} {
		f := failureOf(&subjects.Presence{Protocol: versions, Started: at, LastCause: &subjects.LastCause{Hop: "tcp", Cause: "timeout", At: at}})
		if f == nil || f.Cause != want || f.Hop != "nats" || f.Detail == "" || !f.At.Equal(at) {
			t.Errorf("versions %v: %+v, want %s", versions, f, want)
		}
	}
	if f := failureOf(&subjects.Presence{Protocol: [2]int{subjects.MinVersion, subjects.Version}}); f != nil {
		t.Errorf("none, and told %+v", f)
	}
}

// TestNoInstances: a cluster without instances has an empty list of them, not null, whatever
// the cluster before had.
func TestNoInstances(t *testing.T) {
	for _, room := range [][]api.Instance{nil, {}, make([]api.Instance, 2)} {
		if v := view(subjects.ClusterRef{Tenant: "acme", Cluster: "prod"}, &directory.Cluster{}, looks{}, room); v.Instances == nil || len(v.Instances) > 0 {
			t.Errorf("%v in %v", v.Instances, room)
		}
	}
}

func TestLastFailure(t *testing.T) {
	if lastFailure(nil) != nil {
		t.Error("a failure without one")
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, test := range []struct {
		told subjects.LastCause
		want api.LastFailure
	}{
		{subjects.LastCause{Hop: "jwt", Cause: "user-revoked", At: at, Text: "x"}, api.LastFailure{Hop: "jwt", Cause: "user-revoked", Title: "the credentials were revoked", At: at, Detail: "x"}},
		{subjects.LastCause{Hop: "warp", Cause: "newer", At: at}, api.LastFailure{Hop: "unknown", Cause: "unknown", Title: "a cause that is not in the catalogue", At: at}},
	} {
		if got := lastFailure(&test.told); *got != test.want {
			t.Errorf("%+v: got %+v", test.told, got)
		}
	}
}

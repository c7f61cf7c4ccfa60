package platform

import (
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/subjects"
)

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

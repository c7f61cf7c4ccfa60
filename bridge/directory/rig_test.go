package directory

import (
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/subjects"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func presence(state subjects.PresenceState) *subjects.Presence {
	return &subjects.Presence{Protocol: [2]int{subjects.MinVersion, subjects.Version}, State: state}
}

func pickNow(t *testing.T, d *Directory, name string) (*Instance, error) {
	t.Helper()
	return pickWithin(t, d, name, 0)
}

// pickWithin picks and demands that it took exactly want.
func pickWithin(t *testing.T, d *Directory, name string, want time.Duration) (*Instance, error) {
	t.Helper()
	start := time.Now()
	var a Attempt
	in, err := d.Pick(t.Context(), name, &a)
	if took := time.Since(start); took != want {
		t.Errorf("Pick(%s) took %v, want %v", name, took, want)
	}
	return in, err
}

func wantState(t *testing.T, err error, want State) *UnavailableError {
	t.Helper()
	ue, ok := errors.AsType[*UnavailableError](err)
	if !ok || ue.State != want {
		t.Fatalf("got error %v, want state %s", err, want)
	}
	return ue
}

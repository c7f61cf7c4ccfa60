package agenttest

import (
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// WaitFor is [eventually.True].
func WaitFor(t testing.TB, what string, ok func() bool) { t.Helper(); eventually.True(t, what, ok) }

// Within waits for c.
func Within(t testing.TB, d time.Duration, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(d):
		t.Errorf("%s: not within %s", what, d)
	}
}

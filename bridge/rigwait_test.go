package bridge

import (
	"bytes"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// eventually waits for ok for at most 10 s.
func (r *rig) eventually(what string, ok func() bool) {
	r.t.Helper()
	eventually.True(r.t, what, ok)
}

func within[T any](t testing.TB, what string, d time.Duration, c <-chan T) T {
	t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case v := <-c:
		return v
	case <-timer.C:
		t.Fatalf("not within %v: %s", d, what)
		panic("unreachable")
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

package tenant

import (
	"sync"
	"time"
)

// logInterval is the least time between two log lines about an event that peers can
// cause as often as they like.
const logInterval = time.Minute

// throttle allows one log line per logInterval. It is safe for concurrent use; its
// zero value is ready.
type throttle struct {
	mu         sync.Mutex
	last       time.Time
	suppressed int
}

// allow reports whether a line may be logged, and how many were not since the
// last one.
func (t *throttle) allow(now time.Time) (ok bool, suppressed int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.last.IsZero() && now.Sub(t.last) < logInterval {
		t.suppressed++
		return false, 0
	}
	suppressed = t.suppressed
	t.last, t.suppressed = now, 0
	return true, suppressed
}

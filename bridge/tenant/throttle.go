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

// maxRepeats bounds the events that are remembered as logged.
const maxRepeats = 16

// repeats allows one log line per logInterval for each event, so that several that
// alternate are each logged, and not each time. It is safe for concurrent use; its zero
// value is ready.
type repeats struct {
	mu   sync.Mutex
	last map[string]time.Time
}

// first reports whether an event may be logged: it was not within logInterval.
func (r *repeats) first(event string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if last, ok := r.last[event]; ok && now.Sub(last) < logInterval {
		return false
	}
	if r.last == nil || len(r.last) >= maxRepeats {
		r.last = make(map[string]time.Time)
	}
	r.last[event] = now
	return true
}

// forget permits every event.
func (r *repeats) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.last)
}

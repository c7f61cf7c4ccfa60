package stream

import (
	"sync"
	"sync/atomic"
	"time"
)

// rtt keeps the shortest round trip to a peer over the last minutes: the
// path's own delay. A longer one holds the time spent in queues that our own
// traffic fills, and sizing windows by that would fill them further.
type rtt struct {
	min atomic.Int64 // nanoseconds; 0 while unknown

	mu       sync.Mutex
	current  int64 // shortest since started
	previous int64 // shortest of the period before
	started  int64
}

const rttPeriod = int64(5 * time.Minute)

// sample takes a measured round trip; both in nanoseconds.
func (r *rtt) sample(d, now int64) {
	if d <= 0 {
		d = 1
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if now-r.started > rttPeriod {
		r.previous, r.current, r.started = r.current, 0, now
	}
	if r.current == 0 || d < r.current {
		r.current = d
	}
	m := r.current
	if r.previous > 0 {
		m = min(m, r.previous)
	}
	r.min.Store(m)
}

// reset forgets everything: the path has changed.
func (r *rtt) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.current, r.previous, r.started = 0, 0, 0
	r.min.Store(0)
}

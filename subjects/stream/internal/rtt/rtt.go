package rtt

import (
	"sync"
	"sync/atomic"
	"time"
)

// Shortest keeps the shortest round trip to a peer over the last minutes: the delay
// of the path itself. A longer round trip includes time in queues that our own
// traffic fills, and larger windows would fill them further. It is safe for
// concurrent use.
type Shortest struct {
	min atomic.Int64 // nanoseconds; 0 while unknown

	mu       sync.Mutex
	current  int64 // shortest since started
	previous int64 // shortest of the period before
	started  int64
}

const period = int64(5 * time.Minute)

// Sample takes a measured round trip; both in nanoseconds.
func (r *Shortest) Sample(d, now int64) {
	if d <= 0 {
		d = 1
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if now-r.started > period {
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

// Reset forgets everything: the path has changed.
func (r *Shortest) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.current, r.previous, r.started = 0, 0, 0
	r.min.Store(0)
}

// Min returns the shortest round trip in nanoseconds, 0 while it is unknown.
func (r *Shortest) Min() int64 { return r.min.Load() }

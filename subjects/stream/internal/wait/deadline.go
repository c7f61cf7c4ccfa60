package wait

import (
	"sync"
	"time"
)

// Deadline is a settable point in time to wait for. The zero value never comes.
// It is safe for concurrent use.
type Deadline struct {
	mu      sync.Mutex
	timer   *time.Timer   // nil while none runs
	done    chan struct{} // closed when the deadline has come; nil while none was ever set
	stopped bool          // no more timers
}

// Set moves the deadline to t; the zero time removes it.
func (d *Deadline) Set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil && !d.timer.Stop() {
		<-d.done // the timer's function has been started: let it close done
	}
	d.timer = nil
	if t.IsZero() || d.stopped && time.Until(t) > 0 {
		if d.done != nil {
			d.done = make(chan struct{})
		}
		return
	}
	done := make(chan struct{})
	d.done = done
	if left := time.Until(t); left > 0 {
		d.timer = time.AfterFunc(left, func() { close(done) })
	} else {
		close(done)
	}
}

// Done returns the channel that is closed when the deadline comes; nil, which
// blocks forever, if none was ever set. The channel is that of the deadline set
// last: after Set, call Done again.
func (d *Deadline) Done() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.done
}

// Passed reports whether the deadline has come.
func (d *Deadline) Passed() bool {
	select {
	case <-d.Done():
		return true
	default:
		return false
	}
}

// Stop releases the timer for good. Nothing waits any longer, so a deadline that
// is set later counts only if it has already passed.
func (d *Deadline) Stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stopped = true
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}

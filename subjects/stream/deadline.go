package stream

import (
	"sync"
	"time"
)

// deadline is a settable point in time to wait for. The zero value never
// comes.
type deadline struct {
	mu      sync.Mutex
	timer   *time.Timer   // nil while none runs
	done    chan struct{} // closed when the deadline has come; nil while none was ever set
	stopped bool          // the stream has ended: no more timers
}

// set moves the deadline to t; the zero time removes it.
func (d *deadline) set(t time.Time) {
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
	if wait := time.Until(t); wait > 0 {
		d.timer = time.AfterFunc(wait, func() { close(done) })
	} else {
		close(done)
	}
}

// wait returns the channel that is closed when the deadline comes; nil, which
// blocks for ever, where none was ever set.
func (d *deadline) wait() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.done
}

// passed reports whether the deadline has come.
func (d *deadline) passed() bool {
	select {
	case <-d.wait():
		return true
	default:
		return false
	}
}

// stop releases the timer of a stream that has ended. Nothing waits on such a
// stream, so a deadline set later counts only once it has passed.
func (d *deadline) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stopped = true
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}

package resume

import (
	"sync"
	"time"
)

// deadline is a point in time that can be moved, as [net.Conn] has it. Its zero value has
// none.
type deadline struct {
	mu    sync.Mutex
	timer *time.Timer
	over  chan struct{} // closed when it has passed; nil: it has never been asked for
}

// set moves it; the zero time is never.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	passed := isClosed(d.over)
	if d.over == nil || passed && (t.IsZero() || time.Until(t) > 0) {
		d.over = make(chan struct{})
		passed = false
	}
	switch left := time.Until(t); {
	case t.IsZero() || passed:
	case left <= 0:
		close(d.over)
	default:
		over := d.over
		d.timer = time.AfterFunc(left, func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			if d.over == over && !isClosed(over) {
				close(over)
			}
		})
	}
}

// wait returns a channel that is closed when the deadline has passed. One that is moved
// beyond the present closes another channel, so that waiters are woken by who moves it.
func (d *deadline) wait() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over == nil {
		d.over = make(chan struct{})
	}
	return d.over
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

package cause

import (
	"sync"
	"time"
)

// Bounds of what counts as regular.
const (
	// regularTimes is how many in a row make a habit.
	regularTimes = 3
	// regularWithin is how far they may differ. Time-outs of proxies are whole
	// seconds; what acts on them may be a second late.
	regularWithin = 1500 * time.Millisecond
	// regularLeast is the shortest time that counts. Shorter ones are refusals, and
	// are alike without any limit.
	regularLeast = 2 * time.Second
)

// Regular notices that something is cut after the same time again and again, as by a
// limit of a device on the way. The zero value is ready. It is safe for concurrent use.
type Regular struct {
	mu   sync.Mutex // guards last
	last []time.Duration
}

// Add adds how long it took this time. As long as the last three are alike, it returns
// the shortest of them, rounded to a second.
func (r *Regular) Add(d time.Duration) (every time.Duration, regular bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if d < regularLeast {
		r.last = r.last[:0]
		return 0, false
	}
	least, most := d, d
	for _, l := range r.last {
		least, most = min(least, l), max(most, l)
	}
	if most-least > regularWithin {
		r.last = append(r.last[:0], d)
		return 0, false
	}
	if r.last = append(r.last, d); len(r.last) < regularTimes {
		return 0, false
	}
	r.last = append(r.last[:0], r.last[1:]...)
	return least.Round(time.Second), true
}

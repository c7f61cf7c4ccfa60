package lane

import (
	"runtime"
	"time"
)

const (
	// longTurn is longer than a turn takes where each goroutine is at work for a moment.
	longTurn = 2 * time.Millisecond
	// rest is how many times as long as a long turn there are none.
	rest = 20
)

// turns are what others get before a small message is written: those who are about to publish
// share the write. If there is nobody, a turn costs nothing. But where goroutines compute for
// long, a turn is that of many of them, and the scheduler comes back from it after as much as a
// second. So a long one is followed by a rest, which keeps turns within a twentieth of the time.
type turns struct{ from time.Time }

// give gives others a turn, if it is time for one.
func (t *turns) give() {
	if began := time.Now(); !began.Before(t.from) {
		runtime.Gosched()
		t.took(began, time.Now())
	}
}

// took notes a turn.
func (t *turns) took(began, ended time.Time) {
	if d := ended.Sub(began); d > longTurn {
		t.from = ended.Add(rest * d)
	}
}

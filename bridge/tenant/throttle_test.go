package tenant

import (
	"strconv"
	"testing"
	"time"
)

// TestRepeatsOfAlternatingEvents: each is logged, once a minute, and again after a success.
func TestRepeatsOfAlternatingEvents(t *testing.T) {
	var r repeats
	now := time.Now()
	logged := func(at time.Duration) (n int) {
		for _, event := range []string{"a refused", "b has no route"} {
			if r.first(event, now.Add(at)) {
				n++
			}
		}
		return n
	}
	for i, step := range []struct {
		at   time.Duration
		want int
	}{{0, 2}, {time.Second, 0}, {logInterval - 1, 0}, {logInterval, 2}, {logInterval + time.Second, 0}, {2 * logInterval, 2}} {
		if got := logged(step.at); got != step.want {
			t.Errorf("step %d: %d lines after %v, want %d", i, got, step.at, step.want)
		}
	}
	r.forget()
	if got := logged(2*logInterval + time.Second); got != 2 {
		t.Errorf("%d lines after a success, want 2", got)
	}
}

// TestRepeatsAreBounded: events without end take no memory without end.
func TestRepeatsAreBounded(t *testing.T) {
	var r repeats
	now := time.Now()
	for i := range 10 * maxRepeats {
		if !r.first(strconv.Itoa(i), now) {
			t.Errorf("event %d is not logged", i)
		}
		if len(r.last) > maxRepeats {
			t.Fatalf("%d events are remembered", len(r.last))
		}
	}
}

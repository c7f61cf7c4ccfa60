package apply

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestTurns: a caller with many bodies delays another by no more than those that are parsed.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var u turns
		parse := func(caller string) {
			if err := u.enter(t.Context(), caller); err != nil {
				t.Errorf("%s: %v", caller, err)
				return
			}
			time.Sleep(time.Second)
			u.leave()
		}
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() { parse("many") })
		}
		synctest.Wait()
		begun := time.Now()
		for i := range 4 {
			all.Go(func() {
				parse(fmt.Sprint("one", i))
				if took := time.Since(begun); took > 4*time.Second {
					t.Errorf("another caller waited %v", took)
				}
			})
		}
		all.Wait()
		if took := time.Since(begun); took < 52*time.Second || took > 53*time.Second {
			t.Errorf("104 of 1 s, two at a time, took %v", took)
		}
		empty(t, &u)
	})
}

// TestTurnsGivenUp: callers that go away while they wait, at the moment of their turn too, leave
// nothing.
func TestTurnsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var u turns
		var all sync.WaitGroup
		for i := range 300 {
			all.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%10)*time.Second)
				defer cancel()
				if u.enter(ctx, fmt.Sprint(i%7)) == nil {
					time.Sleep(time.Second)
					u.leave()
				}
			})
		}
		all.Wait()
		empty(t, &u)
	})
}

func empty(t *testing.T, u *turns) {
	t.Helper()
	if u.running != 0 || len(u.waiting) != 0 || len(u.order) != 0 {
		t.Errorf("something is left: %d, %v, %v", u.running, u.waiting, u.order)
	}
}

// TestBudget: what bodies take together, and those of one caller, is bounded, and given back.
func TestBudget(t *testing.T) {
	var b budget
	var all []*share
	take := func(caller string, n int64, want bool) {
		t.Helper()
		s, f := b.take(caller, n)
		if (f == nil) != want {
			t.Errorf("%s: %d more: %v", caller, n, f)
		}
		if f == nil {
			all = append(all, s)
		}
	}
	for range maxOfCaller / maxBody {
		take("one", -1, true)
	}
	take("one", 1, false)
	take("two", 1, true)
	all[0].keep(1 << 20)
	take("one", 1, true)
	for range maxOfCaller/maxBody - 1 {
		take("two", 1<<40, true)
	}
	take("three", maxBody, true)
	take("three", maxBody, false)
	take("three", 0, true)
	for _, s := range all {
		s.end()
		s.end()
	}
	if b.taken != 0 || len(b.of) != 0 {
		t.Errorf("left: %d %v", b.taken, b.of)
	}
}

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

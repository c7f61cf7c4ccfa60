package processors

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// TestProcessorsFollowTheWork: one processor, all as soon as one is not enough, and one again
// when it has been enough for half a minute.
func TestProcessorsFollowTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var total atomic.Int64 // nanoseconds
		var changes []string
		began := time.Now()
		done := make(chan struct{})
		go func() {
			defer close(done)
			follow(ctx, func() time.Duration { return time.Duration(total.Load()) }, func(all bool) {
				changes = append(changes, fmt.Sprint(time.Since(began), " ", all))
			})
		}()
		synctest.Wait()
		// uses has it use a share of a processor for a time.
		uses := func(share float64, d time.Duration) {
			for range d / interval {
				total.Add(int64(share * float64(interval)))
				time.Sleep(interval)
				synctest.Wait()
			}
		}
		uses(0, 10*time.Second)
		uses(0.7, 10*time.Second) // one is enough
		uses(0.8, time.Second)    // from 21 s on it is not
		uses(5, 9*time.Second)
		uses(0.6, time.Minute) // not little enough, until 90 s
		uses(0.4, 29*time.Second)
		uses(0.5, time.Second) // 120 s
		uses(0.1, 40*time.Second)
		uses(0.9, 2*time.Second) // from 161 s on
		cancel()
		<-done
		want := []string{"0s false", "21s true", "2m30s false", "2m41s true", "2m42s true"}
		if !slices.Equal(changes, want) {
			t.Errorf("all processors: %q, want %q", changes, want)
		}
	})
}

// TestFollow: the process has one processor, can have all again, and has them in the end.
func TestFollow(t *testing.T) {
	t.Setenv("GOMAXPROCS", "")
	all := standard(t)
	ctx, cancel := context.WithCancel(t.Context())
	followed := make(chan error, 1)
	go func() { followed <- Follow(ctx) }()
	eventually.Nil(t, "one processor", func() error {
		if got := runtime.GOMAXPROCS(0); got != 1 {
			return fmt.Errorf("it has %d", got)
		}
		return nil
	})
	give(true)
	if got := runtime.GOMAXPROCS(0); got != all {
		t.Errorf("%d processors while one is not enough, want %d", got, all)
	}
	give(false)
	cancel()
	if err := <-followed; err != nil {
		t.Error(err)
	}
	if got := runtime.GOMAXPROCS(0); got != all {
		t.Errorf("%d processors afterwards, want %d", got, all)
	}
}

// standard returns how many processors Go gives the process, of which a test may take some
// away until it ends.
func standard(t *testing.T) int {
	before := runtime.GOMAXPROCS(0)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) }) // another number than that, with go test -cpu
	runtime.SetDefaultGOMAXPROCS()
	return runtime.GOMAXPROCS(0)
}

// TestUsed: what a process computes is told.
func TestUsed(t *testing.T) {
	before, deadline := used(), time.Now().Add(time.Minute)
	for used() < before+100*time.Millisecond {
		if time.Now().After(deadline) {
			t.Fatalf("%v used in a minute without a pause", used()-before)
		}
	}
}

// TestOperatorHasDecided: the number of processors stays what the environment says, which
// is one that the process would never have otherwise.
func TestOperatorHasDecided(t *testing.T) {
	number := standard(t) + 1
	t.Setenv("GOMAXPROCS", fmt.Sprint(number))
	runtime.GOMAXPROCS(number)
	ctx, cancel := context.WithTimeout(t.Context(), 3*interval/2) // long enough for a look
	defer cancel()
	if err := Follow(ctx); err != nil || runtime.GOMAXPROCS(0) != number {
		t.Errorf("%v, %d processors, want %d", err, runtime.GOMAXPROCS(0), number)
	}
}

package workers

import (
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestGoroutinesAreUsedAgain: items one after another take one goroutine, which
// ends when it has been idle for a second.
func TestGoroutinesAreUsedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handled := map[string]int{} // by goroutine
		p := New(func(n int) {
			stack := make([]byte, 64)
			id, _, _ := strings.Cut(string(stack[:runtime.Stack(stack, false)]), "[") // "goroutine 7 [running]"
			handled[id] += n
		})
		for range 100 {
			if !p.Run(1) {
				t.Error("an open pool refuses an item")
			}
			synctest.Wait()
			if n := p.Running(); n != 0 {
				t.Fatalf("%d calls run", n)
			}
		}
		if len(handled) != 1 {
			t.Errorf("items handled by goroutine: %v, want all by one", handled)
		}
		for id, n := range handled {
			if n != 100 {
				t.Errorf("%s handled %d of 100 items", id, n)
			}
		}
		start := time.Now()
		p.wg.Wait()
		if d := time.Since(start); d != idleTime {
			t.Errorf("the goroutine ended after %v, want %v", d, idleTime)
		}
		p.Close()
	})
}

// TestRunNeverBlocks: an item never waits for another's call.
func TestRunNeverBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		p := New(func(int) { <-release })
		for i := range 10 {
			p.Run(i)
		}
		synctest.Wait()
		if n := p.Running(); n != 10 {
			t.Errorf("%d calls run, want 10", n)
		}
		closed := make(chan struct{})
		go func() {
			p.Close()
			close(closed)
		}()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("Close does not wait for the calls")
		default:
		}
		if p.Run(11) || p.Running() != 10 {
			t.Errorf("a closed pool takes an item; %d calls run", p.Running())
		}
		close(release)
		<-closed
		if n := p.Running(); n != 0 {
			t.Errorf("%d calls run after Close", n)
		}
	})
}

func TestHandlerMayEndItsGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(func(int) { runtime.Goexit() })
		p.Run(1)
		p.Run(2)
		synctest.Wait()
		if n := p.Running(); n != 0 {
			t.Errorf("%d calls count as running", n)
		}
		p.Close()
	})
}

// TestRunRacesClose: an item that Run has accepted is handled before Close returns.
func TestRunRacesClose(t *testing.T) {
	for range 200 {
		var taken, handled atomic.Int64
		p := New(func(int) { handled.Add(1) })
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for p.Run(1) {
					taken.Add(1)
				}
			})
		}
		p.Close()
		n := handled.Load()
		wg.Wait()
		if n != taken.Load() || handled.Load() != n {
			t.Fatalf("%d items taken, %d handled when Close returned, %d in the end", taken.Load(), n, handled.Load())
		}
	}
}

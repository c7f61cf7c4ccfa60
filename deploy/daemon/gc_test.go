package daemon

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

func TestGCPercent(t *testing.T) {
	for live, want := range map[uint64]int{
		0: 800, 1 << 20: 800, 4 << 20: 800, 8 << 20: 400, 16 << 20: 200, 32 << 20: 100, 128 << 20: 100, 256 << 20: 50, 320 << 20: 40, 1 << 30: 40,
	} {
		if got := gcPercent(live); got != want {
			t.Errorf("live heap of %d MiB: %d %%, want %d %%", live>>20, got, want)
		}
	}
}

var held []byte

// TestGCFollowsTheLiveHeap: a percentage that is only set at the start would allow
// five times the heap for ever.
func TestGCFollowsTheLiveHeap(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	before := debug.SetGCPercent(100)
	// The finalizer stays active for the life of the process; it changes nothing
	// that other tests look at.
	t.Cleanup(func() { held = nil; debug.SetGCPercent(before) })
	tuneGC()
	held = make([]byte, 256<<20)
	eventually.Nil(t, "another percentage with 256 MiB live", func() error {
		runtime.GC()
		percent := debug.SetGCPercent(100)
		if percent < gcLeastLarge || percent > 50 {
			debug.SetGCPercent(percent)
			return fmt.Errorf("it is %d", percent)
		}
		return nil
	})
}

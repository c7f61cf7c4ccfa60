package daemon

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	// gcSpare is the heap that may grow between two collections however small
	// the live heap is: a process that forwards lives in little memory, and
	// would otherwise collect hundreds of times a second under load (a fifth
	// of the CPU of small exchanges, measured).
	gcSpare = 32 << 20
	// gcMost and gcLeast bound the resulting percentage; 100 is Go's default.
	gcMost, gcLeast = 800, 100
)

// tuneGC has the garbage collector run when the heap has grown by gcSpare, at
// most to nine times and at least to twice what is live. It does nothing where
// GOGC or GOMEMLIMIT is set: then somebody has decided otherwise.
func tuneGC() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	retuneGC(nil)
}

// gcSentinel becomes garbage at once, so that its finalizer runs after each
// collection: the one hook that the runtime offers.
type gcSentinel struct{ _ [16]byte }

func retuneGC(*gcSentinel) {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	debug.SetGCPercent(gcPercent(sample[0].Value.Uint64()))
	runtime.SetFinalizer(&gcSentinel{}, retuneGC)
}

func gcPercent(live uint64) int {
	return int(min(max(100*gcSpare/max(live, 1), gcLeast), gcMost))
}

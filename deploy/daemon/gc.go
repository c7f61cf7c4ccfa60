package daemon

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	// gcSpare is how much the heap may grow between two collections, however
	// small the live heap is. A process that only forwards has a small live heap
	// and would otherwise collect hundreds of times a second under load, which
	// was measured to take a fifth of the CPU of small exchanges.
	gcSpare = 32 << 20
	// gcMost and gcLeast bound the resulting percentage; 100 is Go's default.
	gcMost, gcLeast = 800, 100
	// gcLarge is how much the heap may grow of a process with a large live heap, such as a
	// broker with thousands of agents, and gcLeastLarge the least percentage of one. What
	// such a broker has is there for as long as its connections: to collect twice as often
	// costs it a hundredth of a core or two, and to double its heap hundreds of megabytes.
	gcLarge      = 128 << 20
	gcLeastLarge = 40
)

// tuneGC makes the garbage collector run when the heap has grown by gcSpare, but
// not before it is twice the live heap and not after it is nine times that. A heap of
// more than gcLarge grows by that, but not by less than two fifths. It
// does nothing if GOGC or GOMEMLIMIT is set: the operator has decided.
func tuneGC() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	retuneGC(nil)
}

// gcSentinel becomes garbage at once, so that its finalizer runs after each
// collection. The runtime offers no other hook.
type gcSentinel struct{ _ [16]byte }

func retuneGC(*gcSentinel) {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	debug.SetGCPercent(gcPercent(sample[0].Value.Uint64()))
	runtime.SetFinalizer(&gcSentinel{}, retuneGC)
}

func gcPercent(live uint64) int {
	percent := min(max(100*gcSpare/max(live, 1), gcLeast), gcMost)
	return int(min(percent, max(100*gcLarge/max(live, 1), gcLeastLarge)))
}

package apply

import (
	"sync"

	"github.com/fairlead-io/fairlead/bridge/answer"
)

// Bounds of the bodies of all applies of a bridge together, in bytes. Each is in memory from
// the moment at which it begins to arrive until its last object has been applied.
const (
	maxBodies   = 256 << 20
	maxOfCaller = maxBodies / 2
	// leastBody is what the smallest counts for.
	leastBody = 64 << 10
)

// budget keeps the bounds. It is safe for concurrent use; the zero value is ready.
type budget struct {
	mu    sync.Mutex
	taken int64
	of    map[string]int64 // by caller, without zeros
}

// share is what the body of one apply takes. It is used by one goroutine.
type share struct {
	from   *budget
	caller string
	n      int64
}

// take takes the share of a body of so many bytes; -1: their number is not known yet.
func (b *budget) take(caller string, n int64) (*share, *answer.Failure) {
	if n < 0 || n > maxBody {
		n = maxBody
	}
	n = max(n, leastBody)
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.of[caller]+n > maxOfCaller:
		return nil, answer.Failf(answer.RateLimited, "the caller's applies that are running have bodies of %d MiB together, and more than %d MiB may not be; nothing was executed", b.of[caller]>>20, maxOfCaller>>20)
	case b.taken+n > maxBodies:
		return nil, answer.Failf(answer.RateLimited, "the applies that this bridge is running have bodies of %d MiB together, and more than %d MiB may not be; nothing was executed", b.taken>>20, maxBodies>>20)
	}
	if b.of == nil {
		b.of = map[string]int64{}
	}
	b.taken += n
	b.of[caller] += n
	return &share{b, caller, n}, nil
}

// keep gives back all but what a body of n bytes takes.
func (s *share) keep(n int) { s.give(s.n - min(s.n, max(int64(n), leastBody))) }

// end gives everything back.
func (s *share) end() { s.give(s.n) }

func (s *share) give(n int64) {
	b := s.from
	b.mu.Lock()
	defer b.mu.Unlock()
	s.n -= n
	b.taken -= n
	if b.of[s.caller] -= n; b.of[s.caller] == 0 {
		delete(b.of, s.caller)
	}
}

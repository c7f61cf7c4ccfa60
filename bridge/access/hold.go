package access

import (
	"context"
	"sync"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
)

// decideTimeout bounds a decision about a running request, which may ask another
// service. A request for which there is no answer by then ends: what was granted
// once is not granted for good.
const decideTimeout = 10 * time.Second

// hold ends a running request when its caller may no longer make it. It needs no
// goroutine while nothing changes.
type hold struct {
	cancel    context.CancelCauseFunc
	admission *Admission

	mu       sync.Mutex
	unfollow [2]func() bool // stop following the current lease and decision; nil: not followed
	released bool
}

// follow waits for the end of the caller's lease, or of the decision.
func (h *hold) follow(caller *Caller, d *Decision) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stop()
	if h.released {
		return
	}
	h.unfollow[0] = caller.Lease.OnEnd(func(next *Caller) {
		if next == nil {
			h.cancel(answer.Failf(answer.Unauthenticated, "%w", caller.Lease.why()))
			return
		}
		h.reevaluate(next)
	})
	if d.Valid != nil {
		h.unfollow[1] = context.AfterFunc(d.Valid, func() { h.reevaluate(caller) })
	}
}

// reevaluate decides about a caller whose record has changed, or by grants that
// have.
func (h *hold) reevaluate(caller *Caller) {
	ctx, cancel := context.WithTimeout(context.Background(), decideTimeout)
	defer cancel()
	d, err := h.admission.again(ctx, caller)
	if err != nil {
		h.cancel(withdrawn(err))
		return
	}
	h.follow(caller, d)
}

// stop stops following. The caller holds mu.
func (h *hold) stop() {
	for i, unfollow := range h.unfollow {
		if unfollow != nil {
			unfollow()
			h.unfollow[i] = nil
		}
	}
}

func (h *hold) release() {
	h.mu.Lock()
	h.released = true
	h.stop()
	h.mu.Unlock()
	h.cancel(nil)
}

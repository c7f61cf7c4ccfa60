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
	cancel context.CancelCauseFunc
	// again decides again, for a visitor whose lease or decision has ended.
	again func(context.Context, *Visitor) (*Visitor, *Decision, *answer.Failure)

	mu       sync.Mutex
	unfollow [2]func() bool // stop following the current lease and decision; nil: not followed
	released bool
}

// follow waits for the end of the caller's lease, or of the decision; nil: there is none.
func (h *hold) follow(v *Visitor, d *Decision) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stop()
	if h.released {
		return
	}
	h.unfollow[0] = v.Caller.Lease.OnEnd(func(*Caller) { h.reevaluate(v) })
	if d != nil && d.Valid != nil {
		h.unfollow[1] = context.AfterFunc(d.Valid, func() { h.reevaluate(v) })
	}
}

// reevaluate decides about the request again.
func (h *hold) reevaluate(v *Visitor) {
	ctx, cancel := context.WithTimeout(context.Background(), decideTimeout)
	defer cancel()
	now, d, f := h.again(ctx, v)
	if f != nil {
		h.cancel(f)
		return
	}
	h.follow(now, d)
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

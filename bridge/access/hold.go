package access

import (
	"context"
	"sync"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/subjects"
)

// hold ends a running request when its caller may no longer make it. It needs no
// goroutine while nothing changes.
type hold struct {
	cancel     context.CancelCauseFunc
	authorizer Authorizer
	ref        subjects.ClusterRef

	mu       sync.Mutex
	unfollow func() bool // stops following the current lease
	released bool
}

// follow waits for the end of the caller's lease.
func (h *hold) follow(caller *Caller) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.released {
		h.unfollow = caller.Lease.OnEnd(h.reevaluate)
	}
}

// reevaluate decides about a caller whose record has changed; nil: the credential
// is no longer valid.
func (h *hold) reevaluate(caller *Caller) {
	if caller == nil {
		h.cancel(answer.Failf(answer.Unauthenticated, "the credential was revoked while the request ran; the outcome is unknown"))
		return
	}
	if err := h.authorizer.Authorize(caller, h.ref); err != nil {
		h.cancel(answer.Failf(answer.Forbidden, "the grant was withdrawn while the request ran: %w; the outcome is unknown", err))
		return
	}
	h.follow(caller)
}

func (h *hold) release() {
	h.mu.Lock()
	h.released = true
	h.unfollow()
	h.mu.Unlock()
	h.cancel(nil)
}

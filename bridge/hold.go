package bridge

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/fairlead-io/fairlead/bridge/identity"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// hold keeps what takes longer than one answer, an upload, a response that is
// streamed, an upgraded connection, to what its caller may do while it runs.
// It costs no goroutine while nothing changes.
type hold struct {
	// ctx ends with the request's own context, or with a [failure] as its cause
	// as soon as the caller may no longer reach the cluster.
	ctx    context.Context
	cancel context.CancelCauseFunc

	authorizer identity.Authorizer
	ref        subjects.ClusterRef

	mu       sync.Mutex
	unfollow func() bool // leaves the lease that is being followed
	released bool
}

// hold begins to hold a request. release must be called.
func (s *Server) hold(ctx context.Context, caller *identity.Caller, ref subjects.ClusterRef) *hold {
	h := &hold{authorizer: s.cfg.Authorizer, ref: ref}
	h.ctx, h.cancel = context.WithCancelCause(ctx)
	h.follow(caller)
	return h
}

// follow waits for the end of what is known about the caller.
func (h *hold) follow(caller *identity.Caller) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.released {
		h.unfollow = caller.Lease.OnEnd(h.check)
	}
}

// check decides about a caller of whom something else is known now; nil: the
// credential is no longer valid.
func (h *hold) check(caller *identity.Caller) {
	if caller == nil {
		h.cancel(failf(unauthenticated, "the credential was revoked while the request ran; the outcome is unknown"))
		return
	}
	if err := h.authorizer.Authorize(caller, h.ref); err != nil {
		h.cancel(failf(forbidden, "the grant was taken away while the request ran: %v; the outcome is unknown", err))
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

// cutAfter breaks a response off when ctx ends, even if nobody is looking at
// its stream because the client does not read. The function that it returns
// must be called before the handler returns.
func cutAfter(ctx context.Context, w http.ResponseWriter, st *stream.Stream, rec *record) (finish func()) {
	cut := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(cut)
		st.Reset(subjects.CodeCanceled, context.Cause(ctx).Error())
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(linger))
	})
	return func() {
		if stop() {
			return
		}
		<-cut
		// The connection must not serve another request with that deadline. Where
		// it is the client or the server that went, nothing will.
		if f, ok := errors.AsType[*failure](context.Cause(ctx)); ok && rec.aborted == nil {
			rec.aborted = f
		}
	}
}

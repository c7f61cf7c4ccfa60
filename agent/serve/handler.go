package serve

import (
	"context"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/fairlead-io/fairlead/agent/fault"
	"github.com/fairlead-io/fairlead/agent/upstream"
	"github.com/fairlead-io/fairlead/deploy/requestid"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// Handler executes accepted streams against an API server. It is safe for
// concurrent use.
type Handler struct {
	up      *upstream.Client
	metrics *Metrics
	log     *slog.Logger
	hold    time.Duration // holdTime; tests have their own
	kept    keepBudget    // of the bodies that are under way
}

// NewHandler returns a handler that sends requests to up.
func NewHandler(up *upstream.Client, m *Metrics, log *slog.Logger) *Handler {
	return &Handler{up: up, metrics: m, log: log, hold: holdTime}
}

// Serve executes the request that s brings and answers it. It returns when the
// exchange is over. It is a stream.Config's Handler.
func (h *Handler) Serve(s *stream.Stream) {
	defer h.contain(s)
	ctx := s.Context()
	head, rest, err := readHead(s)
	if err != nil {
		h.fail(ctx, s, nil, err)
		return
	}
	// Otherwise the stream's own context does: net/http is done with a request
	// once its answer is closed and its body gives no more.
	if head.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, head.Timeout,
			fault.Newf(subjects.CodeTimeout, "the request's time limit of %s is over", head.Timeout))
		defer cancel()
	}
	x, err := h.newExchange(ctx, s, head, rest)
	if err != nil {
		h.fail(ctx, s, head, err)
		return
	}
	if x.body != nil {
		defer x.body.release()
	}
	start := time.Now()
	resp, err := h.up.RoundTrip(x.request, x.upgrade != "")
	if err != nil {
		h.fail(ctx, s, head, err)
		return
	}
	defer resp.Body.Close()
	if x.body != nil {
		x.body.answer()
	}
	took := time.Since(start)
	h.metrics.answered(head.Method, resp.StatusCode, took)
	if h.log.Enabled(ctx, slog.LevelDebug) {
		h.logAnswer(ctx, head, resp.StatusCode, took)
	}
	if err := h.checkCredential(x, resp); err != nil {
		h.fail(ctx, s, head, err)
		return
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		err = h.tunnel(ctx, x, resp)
	} else {
		err = h.respond(ctx, x, resp)
	}
	if err != nil {
		h.fail(ctx, s, head, err)
	}
}

// contain keeps a defect that one request meets from ending all others.
func (h *Handler) contain(s *stream.Stream) {
	if p := recover(); p != nil {
		s.Reset(subjects.CodeInternal, "agent: internal error")
		h.metrics.reset(subjects.CodeInternal)
		h.log.Error("request met a defect", "panic", p, "stack", string(debug.Stack()))
	}
}

// logAnswer leaves out the query: commands and selectors are not for logs.
func (h *Handler) logAnswer(ctx context.Context, head *subjects.RequestHead, status int, took time.Duration) {
	path, _, _ := strings.Cut(head.Target, "?")
	h.log.DebugContext(requestid.With(ctx, head.RequestID), "request answered",
		"method", head.Method, "path", path, "status", status, "took", took)
}

// deliverTime bounds how long an answer that broke off waits for the bytes
// before the break to arrive at the bridge: as long as a silent bridge takes to
// be held for dead.
const deliverTime = 10 * time.Second

// deliver has what was sent on s survive a reset: a direct client, too, reads
// what came before its connection broke. It waits for the bridge, never for
// the client.
func deliver(s *stream.Stream) {
	_ = s.SetWriteDeadline(time.Now().Add(deliverTime))
	_ = s.Flush() // in vain if nobody is there any more
}

// fail resets s with the code for err, unless it has ended already.
func (h *Handler) fail(ctx context.Context, s *stream.Stream, head *subjects.RequestHead, err error) {
	if s.Context().Err() != nil {
		// The caller went away first; err is only what followed from it.
		h.metrics.reset(subjects.CodeCanceled)
		return
	}
	code, detail := subjects.CodeInternal, err.Error()
	if f := fault.In(err); f != nil {
		code, detail = f.Code, f.Error()
	}
	deliver(s)
	s.Reset(code, detail)
	h.metrics.reset(code)
	if head != nil {
		ctx = requestid.With(ctx, head.RequestID)
	}
	level := slog.LevelInfo
	switch code {
	case subjects.CodeProtocol, subjects.CodeInternal:
		level = slog.LevelWarn
	case subjects.CodeUnauthorized:
		level = slog.LevelDebug // the prober says it, once a minute
	}
	h.log.Log(ctx, level, "request failed", "code", code.String(), "error", detail)
}

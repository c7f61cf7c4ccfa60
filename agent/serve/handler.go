package serve

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/fairlead-io/fairlead/agent/allow"
	"github.com/fairlead-io/fairlead/agent/fault"
	"github.com/fairlead-io/fairlead/agent/upstream"
	"github.com/fairlead-io/fairlead/deploy/requestid"
	"github.com/fairlead-io/fairlead/deploy/tracing/span"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// Handler executes accepted streams against an API server. It is safe for
// concurrent use.
type Handler struct {
	up         *upstream.Client
	guard      *allow.Guard // nil: everything is allowed
	metrics    *Metrics
	log        *slog.Logger
	tracer     *span.Tracer  // nil: nothing is traced
	gatherTime time.Duration // tests set their own
	kept       keepBudget    // of the bodies that are being sent
	users      users
}

// NewHandler returns a handler that sends to up what guard allows; a nil guard allows
// everything, and with a nil tracer nothing is traced.
func NewHandler(up *upstream.Client, guard *allow.Guard, m *Metrics, log *slog.Logger, tracer *span.Tracer) *Handler {
	return &Handler{up: up, guard: guard, metrics: m, log: log, tracer: tracer, gatherTime: gatherTime}
}

// Serve reads the request on s, executes it and sends the response. It returns
// when the exchange is over. It is the Handler of a stream.Config.
//
// A panic is counted here and recovered by the engine, which logs it and resets
// the stream with CodeInternal.
func (h *Handler) Serve(s *stream.Stream) {
	panicked := true
	defer func() {
		if panicked {
			h.metrics.reset(subjects.CodeInternal)
		}
	}()
	h.execute(s)
	panicked = false
}

// execute makes the exchange.
func (h *Handler) execute(s *stream.Stream) {
	ctx := s.Context()
	head, rest, err := readHead(s)
	if err != nil {
		h.fail(ctx, s, nil, err)
		return
	}
	ctx, spans := h.trace(ctx, head)
	defer spans.end()
	ctx, cancel := withLimit(ctx, head.Timeout)
	defer cancel()
	as, err := h.users.of(head.Extensions)
	if err != nil {
		h.fail(ctx, s, head, err)
		return
	}
	ctx, done, err := h.admit(ctx, head, as.of())
	if err != nil {
		h.fail(ctx, s, head, err)
		return
	}
	defer done()
	x, err := h.newExchange(ctx, s, head, rest, as)
	if err != nil {
		h.fail(ctx, s, head, err)
		return
	}
	if x.body != nil {
		defer x.body.release()
	}
	spans.send(x.request)
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
	spans.answered(resp)
	h.metrics.answered(head.Method, resp.StatusCode, took)
	if h.log.Enabled(ctx, slog.LevelDebug) {
		h.logResponse(ctx, head, resp.StatusCode, took)
	}
	if err := h.checkRights(ctx, x, as.of(), resp); err != nil {
		h.fail(ctx, s, head, err)
		return
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		err = h.switchProtocols(ctx, x, resp)
	} else {
		err = h.respond(ctx, x, resp)
	}
	if err != nil {
		h.fail(ctx, s, head, err)
	}
}

// withLimit bounds ctx by a request's time limit. Without one the stream's own
// context does: net/http is done with a request once its response is closed and its
// body has ended.
func withLimit(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	if limit <= 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, limit, fault.Newf(subjects.CodeTimeout, "the request's time limit of %s is over", limit))
}

// admit asks the guard about a request, as it arrived, that is to be executed as that
// user. See [allow.Guard.Admit]; ctx is returned in any case.
func (h *Handler) admit(ctx context.Context, head *subjects.RequestHead, as *subjects.Identity) (context.Context, func(), error) {
	if h.guard == nil {
		return ctx, func() {}, nil
	}
	running, done, err := h.guard.Admit(ctx, &allow.Request{
		Method: head.Method, Target: head.Target, Upgrade: upgradeOf(head.Header) != "", As: as,
	})
	if err != nil {
		return ctx, nil, err
	}
	return running, done, nil
}

// logResponse leaves out the query: commands and selectors do not belong in logs.
func (h *Handler) logResponse(ctx context.Context, head *subjects.RequestHead, status int, took time.Duration) {
	path, _, _ := strings.Cut(head.Target, "?")
	h.log.DebugContext(requestid.With(ctx, head.RequestID), "response received",
		"method", head.Method, "path", path, "status", status, "took", took)
}

// deliverTime bounds how long a response that broke off waits until the bytes
// before the break have arrived at the bridge: as long as it takes until a
// silent bridge is presumed dead.
const deliverTime = subjects.PeerTimeout

// deliver waits until the bridge has the bytes that were sent on s, since a reset
// would discard them: a direct client, too, reads the bytes that came before its
// connection broke. It waits for the bridge, never for the client.
func deliver(s *stream.Stream) {
	_ = s.SetWriteDeadline(time.Now().Add(deliverTime))
	_ = s.Flush() // fails if the bridge is gone
}

// fail resets s with the code for err, unless it has ended already.
func (h *Handler) fail(ctx context.Context, s *stream.Stream, head *subjects.RequestHead, err error) {
	if s.Context().Err() != nil {
		// The caller went away first, and err is only a consequence.
		h.metrics.reset(subjects.CodeCanceled)
		spansIn(ctx).fail(subjects.CodeCanceled)
		return
	}
	code, detail := subjects.CodeInternal, err.Error()
	if f := fault.In(err); f != nil {
		code, detail = f.Code, f.Error()
	}
	deliver(s)
	s.Reset(code, detail)
	h.metrics.reset(code)
	spansIn(ctx).fail(code)
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

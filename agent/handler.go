package agent

import (
	"context"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/fairlead-io/fairlead/deploy/daemon"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// Handler executes accepted streams against an API server. It is safe for
// concurrent use.
type Handler struct {
	up      *Upstream
	metrics *Metrics
	log     *slog.Logger
	hold    time.Duration // holdTime; tests have their own
}

// NewHandler returns a handler that sends requests to up.
func NewHandler(up *Upstream, m *Metrics, log *slog.Logger) *Handler {
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
	ctx, cancel := exchangeContext(ctx, head.Timeout)
	defer cancel() // ends whatever net/http still does for the request
	x, err := h.newExchange(ctx, s, head, rest)
	if err != nil {
		h.fail(ctx, s, head, err)
		return
	}
	start := time.Now()
	resp, err := h.up.roundTrip(x.request, x.upgrade != "")
	if err != nil {
		h.fail(ctx, s, head, err)
		return
	}
	defer resp.Body.Close()
	took := time.Since(start)
	h.metrics.answered(head.Method, resp.StatusCode, took)
	if h.log.Enabled(ctx, slog.LevelDebug) {
		h.logAnswer(ctx, head, resp.StatusCode, took)
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
	h.log.DebugContext(daemon.WithRequestID(ctx, head.RequestID), "request answered",
		"method", head.Method, "path", path, "status", status, "took", took)
}

func exchangeContext(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	if limit > 0 {
		return context.WithTimeoutCause(ctx, limit, timeLimit(limit))
	}
	return context.WithCancel(ctx)
}

// fail resets s with the code for err, unless it has ended already.
func (h *Handler) fail(ctx context.Context, s *stream.Stream, head *subjects.RequestHead, err error) {
	if s.Context().Err() != nil {
		// The caller went away first; err is only what followed from it.
		h.metrics.reset(subjects.CodeCanceled)
		return
	}
	code, detail := failureOf(ctx, err)
	s.Reset(code, detail)
	h.metrics.reset(code)
	if head != nil {
		ctx = daemon.WithRequestID(ctx, head.RequestID)
	}
	level := slog.LevelInfo
	if code == subjects.CodeProtocol || code == subjects.CodeInternal {
		level = slog.LevelWarn
	}
	h.log.Log(ctx, level, "request failed", "code", code.String(), "error", detail)
}

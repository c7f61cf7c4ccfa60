package serve

import (
	"context"
	"net"
	"net/http"
	"strconv"
	"strings"

	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/fairlead-io/fairlead/deploy/tracing/span"
	"github.com/fairlead-io/fairlead/subjects"
)

// spans are those of one exchange: the request that the bridge sent, and the one that
// the API server gets. They last until the exchange ends. Nil does nothing.
type spans struct {
	served, sent *span.Span
	host         string // of the API server
}

type spansKey struct{}

// spansIn returns the spans of the exchange that ctx governs; nil: it has none.
func spansIn(ctx context.Context) *spans {
	s, _ := ctx.Value(spansKey{}).(*spans)
	return s
}

// trace starts the span of an exchange, as a child of the bridge's or, if the bridge
// makes none, of the caller's. It returns nil if nothing is recorded.
func (h *Handler) trace(ctx context.Context, head *subjects.RequestHead) (context.Context, *spans) {
	if h.tracer == nil {
		return ctx, nil
	}
	served := h.tracer.Serve("execute "+span.MethodName(head.Method), head.Header)
	if !served.Recording() {
		served.Inject(head.Header)
		return ctx, nil
	}
	s := &spans{served: served, host: h.up.Host()}
	served.Set(
		semconv.MessagingSystemKey.String("nats"),
		semconv.RPCSystemNameKey.String("fairlead"),
		span.Text(span.RequestID, head.RequestID),
		span.Method(head.Method),
		span.Path(head.Target),
	)
	return context.WithValue(ctx, spansKey{}, s), s
}

// send starts the span of the request to the API server, and makes it the parent of
// what the API server does. The query is not in the URL that the span has.
func (s *spans) send(req *http.Request) {
	if s == nil {
		return
	}
	s.sent = s.served.Call(span.MethodName(req.Method))
	s.sent.Inject(req.Header)
	target := req.URL.Opaque
	if target == "" {
		target = req.URL.EscapedPath()
	}
	path, _, _ := strings.Cut(target, "?")
	host, port := s.host, 443
	if h, p, err := net.SplitHostPort(s.host); err == nil {
		host = h
		port, _ = strconv.Atoi(p)
	}
	s.sent.Set(
		span.Method(req.Method),
		span.Text(semconv.URLFullKey, req.URL.Scheme+"://"+s.host+path),
		semconv.ServerAddress(host),
		semconv.ServerPort(port),
	)
}

// answered notes the head of the API server's response.
func (s *spans) answered(resp *http.Response) {
	if s == nil {
		return
	}
	s.sent.Event("first byte")
	s.sent.Set(semconv.HTTPResponseStatusCode(resp.StatusCode), semconv.NetworkProtocolVersion(protocolVersion(resp)))
	if resp.StatusCode >= http.StatusBadRequest { // an error for a client, by the conventions
		code := strconv.Itoa(resp.StatusCode)
		s.sent.Set(span.ErrorType.String(code))
		s.sent.Fail(code)
	}
	s.served.Set(semconv.HTTPResponseStatusCode(resp.StatusCode))
}

func protocolVersion(resp *http.Response) string {
	if resp.ProtoMajor == 2 {
		return "2"
	}
	return strconv.Itoa(resp.ProtoMajor) + "." + strconv.Itoa(resp.ProtoMinor)
}

// fail notes the code with which the stream was reset. A caller that goes away is no
// failure.
func (s *spans) fail(code subjects.Code) {
	if s == nil {
		return
	}
	for _, one := range []*span.Span{s.served, s.sent} {
		one.Set(span.ErrorType.String(code.String()))
		if code != subjects.CodeCanceled {
			one.Fail(code.String())
		}
	}
}

// end ends the spans.
func (s *spans) end() {
	if s != nil {
		s.sent.End()
		s.served.End()
	}
}

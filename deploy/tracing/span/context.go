package span

import (
	"context"
	"encoding/hex"
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Names of the headers of W3C Trace Context.
const (
	traceparent = "Traceparent"
	tracestate  = "Tracestate"
)

var w3c propagation.TraceContext

// parent returns a context with the span that a header names; without one if it names
// none, or more than one.
func parent(h http.Header) context.Context {
	if len(h[traceparent]) != 1 {
		return context.Background()
	}
	return w3c.Extract(context.Background(), carrier(h))
}

type key struct{}

// With returns a context in which [In] finds s, for requests that are sent for the sake of
// s elsewhere; ctx itself if s is not recorded.
func (s *Span) With(ctx context.Context) context.Context {
	if !s.Recording() {
		return ctx
	}
	return context.WithValue(ctx, key{}, s)
}

// In returns the span that a context has by [Span.With]; nil if it has none.
func In(ctx context.Context) *Span {
	s, _ := ctx.Value(key{}).(*Span)
	return s
}

// Inject makes s the parent of whatever receives the header. It replaces what the
// header says itself, so that nothing of an invalid context passes. The propagator of
// the API would do the same with more allocations.
func (s *Span) Inject(h http.Header) {
	if s == nil {
		return
	}
	c := s.span.SpanContext()
	if !c.IsValid() {
		return
	}
	h[traceparent] = []string{format(c)}
	if state := c.TraceState().String(); state != "" {
		h[tracestate] = []string{state}
	} else {
		delete(h, tracestate)
	}
}

// format is the traceparent of c: version, trace, span and flags. Of the flags it has
// the first alone: API servers, up to Kubernetes 1.34 at least, ignore a context with
// others.
func format(c trace.SpanContext) string {
	b := make([]byte, 0, 55)
	trace, span := c.TraceID(), c.SpanID()
	b = append(hex.AppendEncode(append(b, "00-"...), trace[:]), '-')
	b = append(hex.AppendEncode(b, span[:]), "-00"...)
	if c.IsSampled() {
		b[len(b)-1] = '1'
	}
	return string(b)
}

// carrier is a header as the propagator sees it. The lines of a tracestate are one
// list (RFC 9110 section 5.3).
type carrier http.Header

func (c carrier) Get(key string) string {
	switch key { // as the propagator writes them
	case "traceparent":
		key = traceparent
	case "tracestate":
		key = tracestate
	}
	return strings.Join(c[key], ",")
}

// Set is there for the interface: see [Span.Inject].
func (c carrier) Set(key, value string) { http.Header(c).Set(key, value) }

func (c carrier) Keys() []string { return []string{traceparent, tracestate} }

package span

import (
	"context"
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

// Inject makes s the parent of whatever receives the header. It replaces what the
// header says itself, so that nothing of an invalid context passes.
func (s *Span) Inject(h http.Header) {
	if s == nil {
		return
	}
	delete(h, traceparent)
	delete(h, tracestate)
	w3c.Inject(trace.ContextWithSpan(context.Background(), s.span), carrier(h))
}

// carrier is a header as the propagator sees it. The lines of a tracestate are one
// list (RFC 9110 section 5.3).
type carrier http.Header

func (c carrier) Get(key string) string { return strings.Join(c[http.CanonicalHeaderKey(key)], ",") }

func (c carrier) Set(key, value string) { c[http.CanonicalHeaderKey(key)] = []string{value} }

func (c carrier) Keys() []string { return []string{traceparent, tracestate} }

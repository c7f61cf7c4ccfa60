package span

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// scope is the name of what makes the spans, by which backends can filter them.
const scope = "github.com/fairlead-io/fairlead"

// Tracer starts spans. It is safe for concurrent use; nil is tracing that is switched
// off.
type Tracer struct{ tracer trace.Tracer }

// NewTracer returns a tracer whose spans go to p.
func NewTracer(p trace.TracerProvider, version string) *Tracer {
	return &Tracer{p.Tracer(scope, trace.WithInstrumentationVersion(version), trace.WithSchemaURL(semconv.SchemaURL))}
}

// Serve starts the span of a request that was received. It is a child of the span that
// the header's traceparent names, or begins a trace where there is none that is valid.
func (t *Tracer) Serve(name string, h http.Header) *Span {
	if t == nil {
		return nil
	}
	return t.start(parent(h), name, served)
}

// Begin starts the span of what the process does by itself, which begins a trace.
func (t *Tracer) Begin(name string) *Span {
	if t == nil {
		return nil
	}
	return t.start(context.Background(), name, inside)
}

// The kinds of spans as options, which need no allocation for each span.
var (
	served = []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindServer)}
	called = []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindClient)}
	inside = []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindInternal)}
)

func (t *Tracer) start(ctx context.Context, name string, kind []trace.SpanStartOption) *Span {
	_, s := t.tracer.Start(ctx, name, kind...)
	return &Span{tracer: t, span: s}
}

// Span is one operation. Its methods are safe for concurrent use; nil does nothing.
type Span struct {
	tracer *Tracer
	span   trace.Span
}

// Call starts the span of a request that is about to be sent, as a child of s.
func (s *Span) Call(name string) *Span { return s.child(name, called) }

// Inside starts the span of a step of s that leaves the process nowhere.
func (s *Span) Inside(name string) *Span { return s.child(name, inside) }

// child returns s itself where s is not recorded: the sampler would not record a child
// either, and its context would say the same but for the id of a span that nobody has.
func (s *Span) child(name string, kind []trace.SpanStartOption) *Span {
	if !s.Recording() {
		return s
	}
	return s.tracer.start(trace.ContextWithSpan(context.Background(), s.span), name, kind)
}

// Recording reports whether attributes and events of the span are kept. Callers ask it
// before they make any.
func (s *Span) Recording() bool { return s != nil && s.span.IsRecording() }

// Name gives the span another name, once more is known about it.
func (s *Span) Name(name string) {
	if s != nil {
		s.span.SetName(name)
	}
}

// Set sets attributes.
func (s *Span) Set(attributes ...attribute.KeyValue) {
	if s != nil {
		s.span.SetAttributes(attributes...)
	}
}

// Event notes that something has happened just now.
func (s *Span) Event(name string, attributes ...attribute.KeyValue) {
	if s != nil {
		s.span.AddEvent(name, trace.WithAttributes(attributes...))
	}
}

// Fail says that the operation failed, with a code from a closed list: an error's text
// may say more than a trace should.
func (s *Span) Fail(code string) {
	if s != nil {
		s.span.SetStatus(codes.Error, code)
	}
}

// End ends the span, which is exported then. Later calls do nothing.
func (s *Span) End() {
	if s != nil {
		s.span.End()
	}
}

package hop

import (
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/deploy/tracing/span"
	"github.com/fairlead-io/fairlead/subjects"
)

// Attributes of the span's events.
const (
	attemptKey = attribute.Key("fairlead.attempt")
	codeKey    = attribute.Key("fairlead.code")
)

// Hop is the span of one request. It is for one goroutine at a time; nil does nothing.
type Hop struct {
	span *span.Span
	long string // the name of the span that says that a long request has begun; "" for others
	try  int
}

// Start starts the span of a request to a cluster, which the caller wrote as name, as a
// child of that of rec. A long request may last for hours.
func Start(rec *answer.Record, ref subjects.ClusterRef, name, method, target string, long bool) *Hop {
	if rec.Span == nil {
		return nil
	}
	h := &Hop{span: rec.Span.Call("tunnel " + span.MethodName(method))}
	if !h.span.Recording() {
		return h
	}
	if long {
		h.long = "tunnel " + span.MethodName(method) + " begun"
	}
	h.span.Set(
		semconv.MessagingSystemKey.String("nats"),
		semconv.MessagingDestinationTemplate("down.{cluster}.{instance}.{bridge}"),
		semconv.RPCSystemNameKey.String("fairlead"),
		span.RequestID.String(rec.ID),
		span.Tenant.String(ref.Tenant),
		span.Text(span.Cluster, name),
		span.Method(method),
		span.Path(target),
	)
	return h
}

// Inject makes the span the parent of the agent's, whose request has this header.
func (h *Hop) Inject(header http.Header) {
	if h != nil {
		h.span.Inject(header)
	}
}

// Opened notes that the request was sent to an instance.
func (h *Hop) Opened(instance string) {
	if h == nil || !h.span.Recording() {
		return
	}
	h.try++
	h.span.Set(span.Instance.String(instance))
	h.span.Event("open", span.Instance.String(instance), attemptKey.Int(h.try))
}

// Answered notes that the response has begun, or with an error, that this attempt has
// none. A long request has a span of its own for that, which is exported at once: the
// span itself is exported when it ends, which may be in hours.
func (h *Hop) Answered(err error) {
	switch {
	case h == nil || !h.span.Recording():
	case err != nil:
		h.span.Event("attempt failed", codeKey.String(subjects.CodeOf(err).String()), attemptKey.Int(h.try))
	default:
		h.span.Event("first byte")
		if h.long != "" {
			h.span.Inside(h.long).End()
			h.long = ""
		}
	}
}

// End ends the span, with what rec says about the end of the request; status is that
// of the API server, 0 if it did not answer.
func (h *Hop) End(rec *answer.Record, status int) {
	if h == nil {
		return
	}
	if h.span.Recording() {
		if status != 0 {
			h.span.Set(semconv.HTTPResponseStatusCode(status))
		}
		if code, fault := rec.Ended(); fault {
			h.span.Set(span.ErrorType.String(code))
			h.span.Fail(code)
		}
	}
	h.span.End()
}

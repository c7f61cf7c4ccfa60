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

// Request is a request that is about to be sent to a cluster.
type Request struct {
	Cluster subjects.ClusterRef
	Name    string // of the cluster, as the caller wrote it
	Method  string
	Target  string
	Header  http.Header
	Long    bool // it may last for hours
}

// Start starts the span of a request, as a child of that of rec, and makes it the parent
// of the agent's, which gets the request's header. It returns nil if nothing is recorded.
func Start(rec *answer.Record, r Request) *Hop {
	if !rec.Span.Recording() {
		rec.Span.Inject(r.Header)
		return nil
	}
	h := &Hop{span: rec.Span.Call("tunnel " + span.MethodName(r.Method))}
	h.span.Inject(r.Header)
	if r.Long {
		h.long = "tunnel " + span.MethodName(r.Method) + " begun"
	}
	h.span.Set(
		semconv.MessagingSystemKey.String("nats"),
		semconv.MessagingDestinationTemplate("down.{cluster}.{instance}.{bridge}"),
		semconv.RPCSystemNameKey.String("fairlead"),
		span.RequestID.String(rec.ID),
		span.Tenant.String(r.Cluster.Tenant),
		span.Text(span.Cluster, r.Name),
		span.Method(r.Method),
		span.Path(r.Target),
	)
	return h
}

// Opened notes that the request was sent to an instance.
func (h *Hop) Opened(instance string) {
	if h == nil {
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
	case h == nil:
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
	if status != 0 {
		h.span.Set(semconv.HTTPResponseStatusCode(status))
	}
	if code, fault := rec.Ended(); fault {
		h.span.Set(span.ErrorType.String(code))
		h.span.Fail(code)
	}
	h.span.End()
}

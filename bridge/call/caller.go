package call

import (
	"context"
	"net/http"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/platform/endpoint"
	"github.com/fairlead-io/fairlead/bridge/tunnel"
	"github.com/fairlead-io/fairlead/subjects"
)

// DefaultTimeout and MaxTimeout bound how long a request in memory takes: without a time
// limit of its own, and with one.
const (
	DefaultTimeout = 30 * time.Second
	MaxTimeout     = 10 * time.Minute
)

// MaxStreamTimeout bounds the time limit of a response that is read as it comes, which has
// none unless it is asked for.
const MaxStreamTimeout = 24 * time.Hour

// MaxResponse bounds the body in bytes of a response in memory.
const MaxResponse = tunnel.MaxCallResponse

// Caller makes requests of clusters. Its fields are set before the first request and
// never changed. It is safe for concurrent use.
type Caller struct {
	Door   *access.Door
	Tunnel *tunnel.Tunnel
	// Follow makes audit, log and metrics hear of a request that is made for another;
	// end is called when the record is complete. nil: nothing does.
	Follow func(r *http.Request, rec *answer.Record) (end func())
	// Bodies bounds the bodies of the requests that stand for requests of clusters.
	Bodies endpoint.Bodies
}

// Request is a request of a cluster. The body is in memory.
type Request struct {
	Method string
	Target string      // absolute path and perhaps a query
	Header http.Header // may be nil; it is not changed
	Body   []byte
	// Timeout bounds the request with its whole response. 0: [DefaultTimeout] for Do, none
	// for Stream.
	Timeout time.Duration
	// Last, if not nil, is asked by Do right before the request is sent. What it returns is
	// why it is not.
	Last func() *answer.Failure
}

// asking asks [Request.Last] too, before the request is sent.
type asking struct {
	*access.Admission
	last func() *answer.Failure // nil: it was asked
}

// Check implements [tunnel.Lease]. It is first called before the request is sent.
func (a *asking) Check(ctx context.Context) *answer.Failure {
	if last := a.last; last != nil {
		a.last = nil
		if f := last(); f != nil {
			return f
		}
	}
	return a.Admission.Check(ctx)
}

// Response is a whole response of an API server.
type Response struct {
	ID string // of the request, as in its audit event
	tunnel.Response
	Duration time.Duration
}

// Do makes the one request that r stands for, and notes it in its record. visit says who
// makes it, and of which cluster.
func (c *Caller) Do(ctx context.Context, rec *answer.Record, visit access.Visit, req *Request) (*Response, *answer.Failure) {
	begun := time.Now()
	limit := limitOf(req)
	ctx, cancel := limit.bound(ctx)
	defer cancel()
	admission, f := c.admit(ctx, rec, visit, req)
	if f != nil {
		return nil, limit.tell(ctx, f, begun)
	}
	defer admission.Done()
	head := headOf(rec, req, limit.after)
	response, f := c.Tunnel.Call(ctx, rec, destination(visit, admission), head, req.Body, &asking{admission, req.Last})
	if f != nil {
		return nil, limit.tell(ctx, f, begun)
	}
	rec.Upstream = response.Status
	return &Response{ID: rec.ID, Response: *response, Duration: time.Since(begun)}, nil
}

// Stream is Do, and returns the response when it has begun. What breaks it then is in the
// record as [answer.Record.Broken]: the response to the HTTP request can still say it.
func (c *Caller) Stream(ctx context.Context, rec *answer.Record, visit access.Visit, req *Request) (*Stream, *answer.Failure) {
	s := &Stream{ID: rec.ID, begun: time.Now(), limit: timeLimit{after: req.Timeout, of: OfCaller}}
	s.ctx, s.cancel = s.limit.bound(ctx)
	admission, f := c.admit(s.ctx, rec, visit, req)
	if f != nil {
		s.cancel()
		return nil, s.limit.tell(s.ctx, f, s.begun)
	}
	head := headOf(rec, req, req.Timeout)
	in, f := c.Tunnel.Open(s.ctx, rec, destination(visit, admission), head, req.Body, admission)
	if f != nil {
		admission.Done()
		s.cancel()
		return nil, s.limit.tell(s.ctx, f, s.begun)
	}
	s.rec, s.Status, s.Header, s.Length, s.in, s.admission = rec, in.Status, in.Header, in.Length, in, admission
	return s, nil
}

func (c *Caller) admit(ctx context.Context, rec *answer.Record, visit access.Visit, req *Request) (*access.Admission, *answer.Failure) {
	rec.Received = int64(len(req.Body))
	return c.Door.Admit(ctx, rec, visit, req.Method, req.Target, req.Header)
}

func destination(visit access.Visit, a *access.Admission) tunnel.Destination {
	return tunnel.Destination{Cluster: a.Cluster, Name: visit.Name(), As: a.Identity()}
}

// headOf is the head of the request that the agent gets.
func headOf(rec *answer.Record, req *Request, timeout time.Duration) *subjects.RequestHead {
	header := make(http.Header, len(req.Header))
	tunnel.PassRequest(header, req.Header)
	return &subjects.RequestHead{
		Method: req.Method, Target: req.Target, ContentLength: int64(len(req.Body)),
		RequestID: rec.ID, Timeout: timeout, Header: header,
	}
}

package call

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/tunnel"
	"github.com/fairlead-io/fairlead/subjects"
)

// DefaultTimeout and MaxTimeout bound how long a request in memory takes: without a time
// limit of its own, and with one.
const (
	DefaultTimeout = 30 * time.Second
	MaxTimeout     = 10 * time.Minute
)

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
	response, f := c.Tunnel.Call(ctx, rec, destination(visit, admission), head, req.Body, admission)
	if f != nil {
		return nil, limit.tell(ctx, f, begun)
	}
	rec.Upstream = response.Status
	return &Response{ID: rec.ID, Response: *response, Duration: time.Since(begun)}, nil
}

// Stream is Do, and returns the response when it has begun.
func (c *Caller) Stream(ctx context.Context, rec *answer.Record, visit access.Visit, req *Request) (*Stream, *answer.Failure) {
	s := &Stream{ID: rec.ID, begun: time.Now(), limit: timeLimit{after: req.Timeout, of: ofCaller}}
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
	rec.Upstream = in.Status
	s.Status, s.Header, s.in, s.admission = in.Status, in.Header, in, admission
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

// Stream is a response of an API server that is read as it comes. It is used by one
// goroutine, and Close must be called.
type Stream struct {
	ID     string // of the request, as in its audit event
	Status int
	Header http.Header // what may pass from a cluster

	in        *tunnel.Incoming
	admission *access.Admission
	ctx       context.Context
	cancel    context.CancelFunc
	limit     timeLimit
	begun     time.Time
	rest      []byte // for Read
	end       func() // of a request of a session; nil: there is none
}

// Next waits for the next bytes of the body. It returns [io.EOF] behind a whole body, and
// an [*answer.Failure] if the response ends before that.
func (s *Stream) Next() ([]byte, error) {
	if b := s.rest; len(b) > 0 {
		s.rest = nil
		return b, nil
	}
	b, err := s.in.Next()
	if f, failed := errors.AsType[*answer.Failure](err); failed {
		return nil, s.limit.tell(s.ctx, f, s.begun)
	}
	return b, err
}

// Read implements [io.Reader], with the errors of Next.
func (s *Stream) Read(p []byte) (int, error) {
	if len(s.rest) == 0 && len(p) > 0 {
		b, err := s.Next()
		if err != nil {
			return 0, err
		}
		s.rest = b
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// Ready reports whether Next returns at once: what was written so far need not be
// flushed yet.
func (s *Stream) Ready() bool { return len(s.rest) > 0 || s.in.Ready() }

// Duration is how long the request has taken until now.
func (s *Stream) Duration() time.Duration { return time.Since(s.begun) }

// Close ends the response if it has not ended, and gives back what it used. It may be
// called more than once.
func (s *Stream) Close() {
	if s.in == nil {
		return
	}
	s.in.Close()
	s.in = nil
	s.admission.Done()
	s.cancel()
	if s.end != nil {
		s.end()
	}
}

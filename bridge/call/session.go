package call

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
)

// Session makes the requests of clusters that one HTTP request of the platform API
// consists of. It is safe for concurrent use, until that request ends: the handler waits
// for what it has begun.
type Session struct {
	caller *Caller
	r      *http.Request
	parent answer.Record // as it was when the session began
	n      atomic.Uint64
}

// For begins a session of a request whose caller is known: rec was given to the door
// before. The record is only read, and only now.
func (c *Caller) For(r *http.Request, rec *answer.Record) *Session {
	return &Session{caller: c, r: r, parent: answer.Record{
		ID: rec.ID, Span: rec.Span, Route: rec.Route, Remote: rec.Remote,
		Caller: rec.Caller, UID: rec.UID, Groups: rec.Groups, Extra: rec.Extra, Method: rec.Method, Issuer: rec.Issuer,
	}}
}

// Visit decides whether the caller may know of a cluster, as [access.Door.Visit] does. A
// refusal is not in the log of the cluster's requests: none was made.
func (s *Session) Visit(name string) (access.Visit, *answer.Failure) {
	rec := s.parent
	return s.caller.Door.Visit(s.r, &rec, name)
}

// Do makes a request. ctx ends no later than that of the HTTP request.
func (s *Session) Do(ctx context.Context, visit access.Visit, req *Request) (*Response, *answer.Failure) {
	rec, end := s.begin(ctx, visit, req)
	defer end()
	res, f := s.caller.Do(ctx, rec, visit, req)
	if f != nil {
		return nil, failed(rec, f)
	}
	rec.Sent = int64(len(res.Body))
	return res, nil
}

// Stream makes a request whose response is read as it comes. ctx ends no later than that
// of the HTTP request, and governs the whole response.
func (s *Session) Stream(ctx context.Context, visit access.Visit, req *Request) (*Stream, *answer.Failure) {
	rec, end := s.begin(ctx, visit, req)
	stream, f := s.caller.Stream(ctx, rec, visit, req)
	if f != nil {
		defer end()
		return nil, failed(rec, f)
	}
	stream.end = end
	return stream, nil
}

// failed notes in the record why a request failed, and in the failure which one did.
func failed(rec *answer.Record, f *answer.Failure) *answer.Failure {
	f = f.Of(rec.ID)
	rec.Failure, rec.Status = f, f.Kind.Status
	return f
}

// begin makes a request's record, which end completes.
func (s *Session) begin(ctx context.Context, visit access.Visit, req *Request) (rec *answer.Record, end func()) {
	rec = new(answer.Record)
	*rec = s.parent
	rec.ID += "." + strconv.FormatUint(s.n.Add(1), 10)
	rec.Start, rec.Cluster = time.Now(), visit.Name()
	var followed func()
	if s.caller.Follow != nil {
		followed = s.caller.Follow(s.request(ctx, req), rec)
	}
	return rec, func() {
		if rec.Status == 0 {
			rec.Status = rec.Upstream
		}
		if followed != nil {
			followed()
		}
	}
}

// request is req as an HTTP request of the same client.
func (s *Session) request(ctx context.Context, req *Request) *http.Request {
	r := s.r.WithContext(ctx)
	r.Method, r.RequestURI, r.Body, r.ContentLength = req.Method, req.Target, http.NoBody, int64(len(req.Body))
	path, query, _ := strings.Cut(req.Target, "?")
	r.URL = &url.URL{Path: path, RawQuery: query}
	r.Header = http.Header{}
	if agent, ok := s.r.Header["User-Agent"]; ok {
		r.Header["User-Agent"] = agent
	}
	return r
}

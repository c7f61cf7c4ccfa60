package tunnel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/tunnel/hop"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// Incoming is a response whose body is read as it comes. It is used by one goroutine;
// [Incoming.Close] must be called. What is not read stays at the agent, except for the
// stream's window (at most [subjects.MaxWindow]), so that a slow reader slows the API server
// down.
type Incoming struct {
	Status int
	Header http.Header // what may pass from a cluster
	// Length is that of the body in bytes; -1: unknown.
	Length int64

	x    exchange
	ctx  context.Context // ends with the lease too, once the response has begun
	to   Destination
	rec  *answer.Record
	st   *stream.Stream // the exchange's
	body bool           // the response has one
	read int64
	err  error // what Next returns from now on
	// revoked: err is that the caller may no longer have the response.
	revoked bool
	// left: err is that the bridge drains, which ends a watch well.
	left bool

	leaving context.Context // ends when the bridge drains

	// Undone by close; nil: there is nothing to undo.
	release func()      // the lease
	uncut   func() bool // the end with ctx
	unleave func() bool // the end at a drain
}

// Open sends a request whose body is in memory, and returns its response when it has
// begun. The request's header must come from [PassRequest]. A watch ends when the bridge
// begins to drain, with a failure of kind [answer.Stopping].
func (t *Tunnel) Open(ctx context.Context, rec *answer.Record, to Destination, head *subjects.RequestHead, body []byte, lease Lease) (*Incoming, *answer.Failure) {
	in, f := t.open(ctx, rec, to, head, body, lease)
	if f != nil {
		return nil, f
	}
	if to.refusal(rec, in.Status) != nil && in.body && in.Length != 0 {
		in.x.awaitRefusal(in.Length)
		to.warnOfRBAC(in.Header, rec, in.Status, in.x.rest)
	}
	rec.Upstream = in.Status
	if in.Status == http.StatusOK && subjects.IsLong(head.Method, head.Target) {
		rec.Started()
	}
	return in, nil
}

func (t *Tunnel) open(ctx context.Context, rec *answer.Record, to Destination, head *subjects.RequestHead, body []byte, lease Lease) (*Incoming, *answer.Failure) {
	in := &Incoming{ctx: ctx, to: to, rec: rec}
	in.x.lease, in.x.usage = lease, lease.Usage()
	in.x.fin, in.x.repeatable = true, isSafe(head.Method)
	if rec.Span != nil {
		in.x.hop = hop.Start(rec, hop.Request{
			Cluster: to.Cluster, Name: to.Name, Method: head.Method, Target: head.Target, Header: head.Header,
			Long: subjects.IsLong(head.Method, head.Target),
		})
	}
	response, err := in.begin(t, head, body)
	if err != nil {
		f := Explain(in.ctx, to.Name, in.x.conn, err)
		in.close(&answer.Record{Failure: f})
		return nil, f
	}
	in.follow(t, head, response)
	return in, nil
}

// begin sends the request and returns the head of the response.
func (in *Incoming) begin(t *Tunnel, head *subjects.RequestHead, body []byte) (*subjects.ResponseHead, error) {
	x := &in.x
	conn, err := t.Tenants.Acquire(in.ctx, in.to.Cluster.Tenant)
	if err != nil {
		return nil, err
	}
	x.conn, x.cluster = conn, in.to.Cluster.Cluster
	if err := x.usage.Take(in.ctx, len(body)); err != nil {
		return nil, err
	}
	if f := x.lease.Check(in.ctx); f != nil { // the body may have taken hours to arrive
		return nil, f.With(notExecuted)
	}
	in.rec.Tenant = in.to.Cluster.Tenant
	if head.Extensions, err = in.to.extensions(); err != nil {
		return nil, err
	}
	first, err := subjects.AppendRequestHead(nil, head)
	if err != nil {
		return nil, err
	}
	x.first = append(first, body...)
	if subjects.IsLong(head.Method, head.Target) { // the head may not come for as long as the response lasts
		in.ctx, in.release = x.lease.Hold(in.ctx)
	}
	response, err := x.final(in.ctx)
	x.first = nil // only another try needed it; a watch must not keep it
	in.rec.Instance = x.instance()
	if err != nil {
		return nil, err
	}
	if f := x.lease.Check(in.ctx); f != nil { // the API server may have taken minutes
		return nil, f.With(outcomeUnknown)
	}
	return response, nil
}

// follow takes over the head of the response, and sees to its end.
func (in *Incoming) follow(t *Tunnel, head *subjects.RequestHead, response *subjects.ResponseHead) {
	st := in.x.st
	in.st = st
	in.Status, in.Header, in.Length = response.Status, http.Header{}, response.ContentLength
	copyResponse(in.Header, response.Header, "")
	in.body = head.Method != http.MethodHead && in.Status != http.StatusNoContent && in.Status != http.StatusNotModified
	if !st.Ended() || in.x.usage.Metered() { // a response that comes in parts, or waits
		if in.release == nil {
			in.ctx, in.release = in.x.lease.Hold(in.ctx)
		}
		ctx := in.ctx
		in.uncut = context.AfterFunc(ctx, func() { st.Reset(subjects.CodeCanceled, context.Cause(ctx).Error()) })
	}
	if in.Status == http.StatusOK && in.Length < 0 && subjects.IsWatch(head.Method, head.Target) {
		in.leaving = t.Leaving
		in.unleave = context.AfterFunc(t.Leaving, func() { st.Reset(subjects.CodeCanceled, ErrStopping.Error()) })
	}
}

// final sends the request and returns the head of the response, behind those that are
// informational.
func (x *exchange) final(ctx context.Context) (*subjects.ResponseHead, error) {
	head, err := x.begin(ctx)
	for n := 0; err == nil && head.Status < 200; n++ {
		if n == maxInformational {
			return nil, x.broken(errInformational.Error())
		}
		if head.Status == http.StatusSwitchingProtocols {
			return nil, x.broken(errUnasked.Error())
		}
		head, err = x.nextHead()
	}
	return head, err
}

// Next waits for the next bytes of the body, which are valid until the next call. It
// returns [io.EOF] behind a whole body, and an [*answer.Failure] if the response ends
// before that.
func (in *Incoming) Next() ([]byte, error) {
	if in.err != nil {
		return nil, in.err
	}
	b, err := in.next()
	if err == nil {
		in.read += int64(len(b))
		return b, nil
	}
	if err != io.EOF {
		err = in.broke(err)
	}
	in.err = err
	return nil, err
}

func (in *Incoming) next() (b []byte, err error) {
	if b, in.x.rest = in.x.rest, nil; len(b) == 0 {
		if b, err = in.st.Next(); err != nil && err != io.EOF {
			return nil, err
		}
	}
	total := in.read + int64(len(b))
	switch {
	case len(b) > 0 && (!in.body || in.Length >= 0 && total > in.Length):
		return nil, in.x.broken(errTooLong.Error())
	case err == io.EOF && in.body && in.Length >= 0 && total < in.Length:
		return nil, in.x.broken(errTooShort.Error())
	case err != nil:
		return nil, err
	}
	return b, in.x.usage.Take(in.ctx, len(b))
}

// broke says why the response ended before its time.
func (in *Incoming) broke(err error) *answer.Failure {
	if f := revocation(in.ctx); f != nil {
		in.revoked = true
		return f.For(in.to.Name).With(outcomeUnknown)
	}
	if f := withdrawnByOwner(in.to.Name, err); f != nil {
		in.revoked = true
		return f.For(in.to.Name)
	}
	if in.unleave != nil && in.ctx.Err() == nil && !in.unleave() { // the bridge has reset it
		in.left = true
		return answer.Failf(answer.Stopping, "the bridge is shutting down: begin the watch again").For(in.to.Name)
	}
	return Explain(in.ctx, in.to.Name, in.x.conn, fmt.Errorf("read response: %w", err))
}

// Ready reports whether Next returns at once.
func (in *Incoming) Ready() bool {
	return in.err != nil || len(in.x.rest) > 0 || in.st.Buffered() > 0 || in.st.Ended()
}

// WhenOver calls f when the response must end: its caller may no longer have it or has
// gone, a time limit is over, or the bridge drains. After stop, which must be called before
// Close, f will not be called, and is not running.
func (in *Incoming) WhenOver(f func()) (stop func()) {
	over := after(in.ctx, f)
	if in.leaving == nil {
		return over
	}
	leaving := after(in.leaving, f)
	return func() { over(); leaving() }
}

// Bytes returns how many bytes of the body Next has returned.
func (in *Incoming) Bytes() int64 { return in.read }

// Failed returns why the response ended before its time, as Next did; nil: it did not, or
// the bridge drains, which ends a watch well. revoked: the caller may no longer have it.
func (in *Incoming) Failed() (why *answer.Failure, revoked bool) {
	if f, failed := errors.AsType[*answer.Failure](in.err); failed && !in.left {
		return f, in.revoked
	}
	return nil, false
}

// Close gives everything back, and ends the response if it has not ended, which the API
// server then sees.
func (in *Incoming) Close() {
	switch f, revoked := in.Failed(); {
	case f == nil:
		in.close(&answer.Record{})
	case revoked:
		in.close(&answer.Record{Revoked: f})
	default:
		in.close(&answer.Record{Aborted: f})
	}
}

// close gives everything back; ended says how the request did.
func (in *Incoming) close(ended *answer.Record) {
	if in.uncut != nil {
		in.uncut()
	}
	if in.unleave != nil {
		in.unleave()
	}
	if in.release != nil {
		in.release()
	}
	in.x.close()
	if in.x.conn != nil {
		in.x.conn.Release()
	}
	in.x.hop.End(ended, in.Status)
}

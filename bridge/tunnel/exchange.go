package tunnel

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/fairlead-io/fairlead/bridge/access/limit"
	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/bridge/tenant"
	"github.com/fairlead-io/fairlead/bridge/tunnel/hop"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// exchange is one request on its way to an agent instance. It is used by one
// goroutine, except for end; close must be called.
type exchange struct {
	conn    *tenant.Conn
	cluster string
	// first is the head and the small body, fin says that nothing follows.
	first []byte
	fin   bool
	// repeatable says that nothing is changed by executing the request twice.
	repeatable bool
	// upload sends the rest of the body; nil: there is none.
	upload *upload
	lease  Lease
	usage  *limit.Usage // the lease's
	hop    *hop.Hop     // nil: nothing is traced

	// The stream and the instance of the request, once it has begun.
	st   *stream.Stream
	in   *directory.Instance
	rest []byte // received and not yet used
	own  bool   // rest is not part of the engine's memory: it can be appended to
	// sent: an instance may have executed the request.
	sent bool
	// ended: the stream was reset so that the response ends well.
	ended atomic.Bool
}

// begin sends the request and waits for the head of the response. Where every
// instance takes no more requests, it waits for its turn and begins again.
func (x *exchange) begin(ctx context.Context) (*subjects.ResponseHead, error) {
	for {
		head, err := x.try(ctx)
		if err == nil {
			x.usage.Begun()
			return head, nil
		}
		if subjects.CodeOf(err) != subjects.CodeOverloaded || x.upload != nil && !x.upload.rewind() {
			return nil, err
		}
		x.release() // while it waits it is not the instance's
		if !x.usage.Again(ctx) {
			return nil, err
		}
	}
}

// try sends the request and waits for the head of the response. Where that is safe, it
// tries again, on another instance or on one that came back.
func (x *exchange) try(ctx context.Context) (*subjects.ResponseHead, error) {
	var a directory.Attempt
	var last error
	for try := 1; ; try++ {
		in, err := x.conn.Directory().Pick(ctx, x.cluster, &a)
		if err != nil {
			if ue, ok := errors.AsType[*directory.UnavailableError](err); ok && ue.State == directory.Connected && last != nil {
				return nil, last // every instance there is has refused
			}
			return nil, err
		}
		x.in = in
		head, err := x.attempt(ctx)
		if err == nil {
			return head, nil
		}
		last = err
		if try == maxTries || ctx.Err() != nil || !x.retry(subjects.CodeOf(err), &a) {
			return nil, err
		}
		x.release()
	}
}

// attempt sends the request to the instance. It may have waited until now: for its
// turn, its audit event, an instance, or another attempt. Nothing is executed for a
// caller whose permission has ended meanwhile.
func (x *exchange) attempt(ctx context.Context) (*subjects.ResponseHead, error) {
	if f := x.lease.Check(ctx); f != nil {
		return nil, f.With(notExecuted)
	}
	x.sent = true
	st, err := x.conn.Open(ctx, x.cluster, x.in.Name(), x.first, x.fin)
	if err != nil {
		x.sent = len(x.first) > subjects.MaxPayload // else the only message was not sent
		return nil, err
	}
	x.st = st
	x.hop.Opened(x.in.Name())
	switch {
	case x.upload != nil:
		x.upload.attach(st)
	case x.repeatable:
		st.EndWhenAbsent() // and it is tried again elsewhere
	}
	head, err := x.nextHead()
	x.sent = !subjects.CodeOf(err).NotExecuted()
	x.hop.Answered(err)
	return head, err
}

// retry decides whether a request that ended with code may be sent again, and
// notes what the code reveals about the instance.
func (x *exchange) retry(code subjects.Code, a *directory.Attempt) bool {
	again := code.NotExecuted()
	switch code {
	case subjects.CodeNoInstance:
		x.in.Lost() // until it is heard again
	case subjects.CodePeerLost:
		x.in.Lost()
		again = x.repeatable
	case subjects.CodeShutdown, subjects.CodeUnknownOutcome:
		a.Exclude(x.in)
		again = x.repeatable
	case subjects.CodeOverloaded, subjects.CodeDraining, subjects.CodeIncompatible, subjects.CodeUnreachable,
		subjects.CodeUpstreamRefused, subjects.CodeUnauthorized:
		a.Exclude(x.in)
	default: // another instance would say the same
		return false
	}
	return again && (x.upload == nil || x.upload.rewind())
}

// nextHead reads a response head, in place where it lies in one piece.
func (x *exchange) nextHead() (*subjects.ResponseHead, error) {
	if err := x.need(subjects.HeadPrefixLen); err != nil {
		return nil, err
	}
	n, err := subjects.HeadLen(x.rest)
	if err != nil {
		return nil, x.broken(err.Error())
	}
	if err := x.need(subjects.HeadPrefixLen + n); err != nil {
		return nil, err
	}
	head := heads.Get().(*subjects.ResponseHead)
	if err := head.Parse(x.rest[subjects.HeadPrefixLen : subjects.HeadPrefixLen+n]); err != nil {
		return nil, x.broken(err.Error())
	}
	x.rest = x.rest[subjects.HeadPrefixLen+n:]
	return head, nil
}

// need reads until rest holds n bytes.
func (x *exchange) need(n int) error {
	for len(x.rest) < n {
		err := x.more()
		if err == io.EOF {
			return x.broken("the response ended before its head did")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// more waits for the next bytes and adds them to rest.
func (x *exchange) more() error {
	b, err := x.st.Next()
	if err != nil {
		return err
	}
	if len(x.rest) == 0 {
		x.rest, x.own = b, false
		return nil
	}
	if !x.own {
		x.rest, x.own = slices.Clip(x.rest), true // append copies it
	}
	x.rest = append(x.rest, b...)
	return nil
}

// broken ends the stream because the agent broke the wire contract.
func (x *exchange) broken(detail string) error {
	x.st.Reset(subjects.CodeProtocol, detail)
	return &subjects.ResetError{Code: subjects.CodeProtocol, Detail: detail}
}

// end makes the response end well, though the API server's continues. It may be called
// from any goroutine while the exchange is not closed.
func (x *exchange) end() {
	x.ended.Store(true)
	x.st.Reset(subjects.CodeCanceled, ErrStopping.Error())
}

// instance is the name of the agent instance that has the request, or was the last to
// be tried; "" if none was.
func (x *exchange) instance() string {
	if x.in == nil {
		return ""
	}
	return x.in.Name()
}

// release gives the instance and the stream back. A stream that has not ended
// is reset.
func (x *exchange) release() {
	if x.st != nil {
		_ = x.st.Close()
		x.st = nil
	}
	if x.in != nil {
		x.in.Release()
		x.in = nil
	}
	x.rest = nil
}

// close releases everything and waits until the upload has ended.
func (x *exchange) close() {
	x.release()
	if x.upload != nil {
		x.upload.stop()
	}
}

// heads holds response heads whose maps are used again: the header that the
// client gets is another one.
var heads = sync.Pool{New: func() any { return new(subjects.ResponseHead) }}

// maxHeadKept is the number of header names up to which a map is kept.
const maxHeadKept = 64

func putHead(h *subjects.ResponseHead) {
	if len(h.Header) <= maxHeadKept {
		clear(h.Header) // its values are parts of a string that must not be kept alive
		h.Extensions = nil
		heads.Put(h)
	}
}

// buffers hold heads and small bodies while they are sent: the engine copies
// them into its frames.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

func putBuffer(b *[]byte) {
	if cap(*b) <= 2*subjects.MaxMessage {
		buffers.Put(b)
	}
}

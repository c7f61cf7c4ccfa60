package call

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/tunnel"
)

// Stream is a response of an API server that is read as it comes. It is used by one
// goroutine, and Close must be called.
type Stream struct {
	ID     string // of the request, as in its audit event
	Status int
	Header http.Header // what may pass from a cluster
	// Length is that of the body in bytes; -1: unknown.
	Length int64

	rec       *answer.Record
	in        *tunnel.Incoming
	closed    bool
	admission *access.Admission
	ctx       context.Context
	cancel    context.CancelFunc
	limit     timeLimit
	begun     time.Time
	rest      []byte // for Read
	end       func() // of a request of a session; nil: it is not one
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

// Bytes is how many bytes of the body have been read.
func (s *Stream) Bytes() int64 { return s.in.Bytes() }

// WhenOver calls f when the response must end: its caller may no longer have it or has
// gone, a time limit is over, or the bridge drains. It is for handlers that may be blocked
// by a client that does not read. After stop, which must be called before Close, f will
// not be called, and is not running.
func (s *Stream) WhenOver(f func()) (stop func()) { return s.in.WhenOver(f) }

// Close ends the response if it has not ended, and gives back what it used. It may be
// called more than once.
func (s *Stream) Close() {
	if s.closed {
		return
	}
	s.closed = true
	s.in.Close()
	s.admission.Done()
	s.cancel()
	switch f, revoked := s.in.Failed(); {
	case f == nil:
	case revoked:
		s.rec.Revoked = f
	case s.end != nil:
		s.rec.Aborted = f
	default:
		s.rec.Broken = f
	}
	if s.end != nil {
		s.rec.Sent = s.in.Bytes()
		s.end()
	}
}

package stream

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream/internal/wait"
)

// Stream is one bidirectional byte stream. One goroutine may read while
// another writes; further readers and writers wait for their turn. Reset,
// Close, StopReading and the deadlines may be called at any time.
//
// Every error of a stream that ended abruptly wraps a [subjects.ResetError].
type Stream struct {
	peer     *Peer
	id       uint64
	accepted bool
	ctx      context.Context // the opener's; nil on the accepting side

	rmu sync.Mutex // held by the one reader
	wmu sync.Mutex // held by the one writer

	mu   sync.Mutex // guards the fields below, except atomics and deadlines
	recv recvHalf
	send sendHalf
	// cause is the terminal cause; nil while the stream may go on and after
	// both directions have ended well.
	cause   error
	removed bool // from the peer's table
	closed  bool // by Close: unread bytes are not kept for a reader
	// impatient is when EndWhenAbsent was called, endpoint nanoseconds; 0: it was not.
	impatient int64
	user      context.Context
	cancel    context.CancelCauseFunc

	readable, writable wait.Wakeup
	rdl, wdl           wait.Deadline

	ackQueued atomic.Bool // in Peer.work.ackOf
	// overdueAt is when the peer is to be asked for its position, in monotonic
	// nanoseconds of the endpoint; 0 while nothing is expected of it.
	overdueAt atomic.Int64

	budget budgetWait // guarded by Peer.mu
}

func newStream(p *Peer, id uint64, accepted bool, ctx context.Context) *Stream {
	s := &Stream{peer: p, id: id, accepted: accepted, ctx: ctx}
	s.recv.Window = subjects.InitialWindow
	s.recv.Limit = subjects.InitialWindow
	s.send.Limit = subjects.InitialWindow
	s.recv.queue = s.recv.queueBuf[:0]
	s.send.kept = s.send.keptBuf[:0]
	return s
}

// ID returns the stream's id, unique among the streams of its peer.
func (s *Stream) ID() uint64 { return s.id }

// Addr returns the address of the peer.
func (s *Stream) Addr() string { return s.peer.to }

// Context returns a context that is done when the stream has been reset by
// either side, when the peer has stopped reading, or when both directions have
// ended. Its cause is the terminal error.
func (s *Stream) Context() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.user == nil {
		s.user, s.cancel = context.WithCancelCause(context.Background())
		switch {
		case s.cause != nil:
			s.cancel(s.cause)
		case s.send.stopped:
			s.cancel(ErrStopped)
		case s.removed:
			s.cancel(nil)
		}
	}
	return s.user
}

// Err returns the terminal cause, nil while there is none.
func (s *Stream) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cause
}

// Reset ends both directions at once and notifies the peer of the reason. The
// peer's writes fail with a [subjects.ResetError], and so do its reads once it has
// read all bytes that had arrived there before: see Flush. Reset does nothing on a
// stream that has ended.
func (s *Stream) Reset(code subjects.Code, detail string) {
	s.mu.Lock()
	ended := s.setCause(&subjects.ResetError{Code: code, Detail: detail})
	if ended {
		s.recv.abandon()
	}
	s.mu.Unlock()
	if ended {
		s.removeReset(code, detail)
	}
}

// Close releases the stream. Unless both directions have ended, it is reset
// with CodeCanceled. It always returns nil.
func (s *Stream) Close() error {
	s.mu.Lock()
	s.closed = true
	s.giveBack()
	done := s.cause != nil || s.removed || (s.recv.fin || s.recv.stopped) && (s.send.fin || s.send.stopped)
	s.mu.Unlock()
	if !done {
		s.Reset(subjects.CodeCanceled, "")
	}
	return nil
}

// closeHandled is Close for the accepting side once its handler has returned. A
// direction whose end the handler has sent continues until it has arrived.
func (s *Stream) closeHandled() {
	s.mu.Lock()
	sent := s.send.fin
	s.mu.Unlock()
	if sent {
		s.StopReading()
	}
	_ = s.Close()
}

// SetDeadline sets the read and the write deadline; the zero time removes them.
// Calls that wait longer fail with os.ErrDeadlineExceeded.
func (s *Stream) SetDeadline(t time.Time) error {
	_ = s.SetReadDeadline(t)
	return s.SetWriteDeadline(t)
}

// SetReadDeadline is as in [net.Conn].
func (s *Stream) SetReadDeadline(t time.Time) error {
	s.rdl.Set(t)
	s.mu.Lock()
	s.readable.Wake()
	s.mu.Unlock()
	return nil
}

// SetWriteDeadline is as in [net.Conn].
func (s *Stream) SetWriteDeadline(t time.Time) error {
	s.wdl.Set(t)
	s.mu.Lock()
	s.writable.Wake()
	s.mu.Unlock()
	return nil
}

// end sets the terminal cause, wakes every waiter and removes the stream from
// the peer's table. It reports false for a stream that had ended before.
func (s *Stream) end(cause error) bool {
	s.mu.Lock()
	ended := s.setCause(cause)
	s.mu.Unlock()
	if ended {
		s.remove()
	}
	return ended
}

// setCause is the first half of end; remove must follow if it reports true.
// The caller holds mu.
func (s *Stream) setCause(cause error) bool {
	if s.cause != nil || s.removed {
		return false
	}
	s.cause = cause
	return true
}

// removeIfOver removes the stream once both directions have ended well.
func (s *Stream) removeIfOver() {
	s.mu.Lock()
	over := s.cause == nil && !s.removed && s.recv.done() && s.send.done()
	s.mu.Unlock()
	if over {
		s.remove()
	}
}

// remove takes the stream out of its peer's table and gives back everything that it
// holds, except the unread bytes.
func (s *Stream) remove() {
	s.mu.Lock()
	if s.removed {
		s.mu.Unlock()
		return
	}
	s.removed = true
	bulk := s.send.dropAll()
	s.giveBack()
	cancel, cause := s.cancel, s.cause
	s.readable.Wake()
	s.writable.Wake()
	s.mu.Unlock()

	s.overdueAt.Store(0)
	s.peer.remove(s, bulk)
	s.rdl.Stop()
	s.wdl.Stop()
	if cancel != nil {
		cancel(cause)
	}
}

// giveBack shrinks the window of a stream that has ended to its unread bytes, but
// not below the initial window. Unread bytes of a closed stream do not count. The
// caller holds mu.
func (s *Stream) giveBack() {
	if !s.removed {
		return
	}
	keep := subjects.InitialWindow
	if !s.closed {
		keep = max(keep, s.recv.buffered)
	}
	if over := s.recv.GiveBack(keep); over > 0 {
		s.peer.ep.grown.Add(-int64(over))
	}
}

// removeReset is remove for a stream that this side has reset. The reset is repeated
// until the peer confirms it, unless the peer was never sent anything. It is queued
// before the stream leaves the table: a frame that arrives in between would find
// neither and be answered with CLOSED, and the peer would not learn the code.
func (s *Stream) removeReset(code subjects.Code, detail string) {
	s.mu.Lock()
	sent := s.accepted || s.send.Next > 0
	s.mu.Unlock()
	if sent {
		s.peer.queueReset(s.id, code, detail, true)
	}
	s.remove()
}

// wait blocks until a token comes, the deadline passes or the opener's context is
// done. It returns an error at the deadline; otherwise the caller checks the state
// again.
func (s *Stream) wait(token <-chan struct{}, d *wait.Deadline) error {
	var done <-chan struct{}
	if s.ctx != nil {
		done = s.ctx.Done()
	}
	select {
	case <-token:
		return nil
	case <-d.Done():
		return os.ErrDeadlineExceeded
	case <-done:
		s.resetForContext()
		return nil
	}
}

// resetForContext ends a stream whose opener's context is done.
func (s *Stream) resetForContext() {
	code := subjects.CodeCanceled
	if errors.Is(s.ctx.Err(), context.DeadlineExceeded) {
		code = subjects.CodeTimeout
	}
	s.Reset(code, context.Cause(s.ctx).Error())
}

package answer

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// Patience is how long a client may take for one part of a [Stream]. It is longer than a
// network fault that TCP gets over, and bounds what a client that has stopped reading costs.
const Patience = time.Minute

// ErrSlow is wrapped where a client has taken nothing of a [Stream] for too long.
var ErrSlow = errors.New("the client has not read")

// Stream is a response whose body comes in parts, with any silence between them. It is safe
// for concurrent use.
type Stream struct {
	w        http.ResponseWriter
	control  *http.ResponseController
	rec      *Record
	patience time.Duration

	mu   sync.Mutex    // guards writing, err and took
	err  error         // why nothing more is written
	took time.Duration // how long the client took for the last part

	timing sync.Mutex // guards the deadline of writes, and end
	end    time.Time  // of all writes; zero: there is none
}

// BeginStream begins a response with status 200: its head is sent at once. A response to
// HEAD has no body. The client may take so long for each part.
func BeginStream(w http.ResponseWriter, r *http.Request, rec *Record, contentType string, patience time.Duration) *Stream {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Accel-Buffering", "no") // nginx would keep parts back
	rec.Status = http.StatusOK
	s := &Stream{w: w, control: http.NewResponseController(w), rec: rec, patience: patience}
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		s.err = http.ErrBodyNotAllowed
		return s
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bound()
	s.flush(time.Now())
	return s
}

// Write writes a part, and returns when the client's connection has taken it. After an
// error every further call returns that error.
func (s *Stream) Write(part []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	began := time.Now()
	s.bound()
	n, err := s.w.Write(part)
	s.rec.Sent += int64(n)
	if err != nil {
		s.fail(began, err)
		return s.err
	}
	s.flush(began)
	return s.err
}

// flush sends what was written. The caller holds mu.
func (s *Stream) flush(began time.Time) {
	if err := s.control.Flush(); err != nil {
		s.fail(began, err)
		return
	}
	s.rec.LastSent = time.Now()
	s.unbound()
	s.took = time.Since(began)
}

// fail notes why nothing more is written. The caller holds mu.
func (s *Stream) fail(began time.Time, err error) {
	s.err = fmt.Errorf("write to the client: %w", err)
	if s.took = max(s.took, time.Since(began)); s.late() {
		s.err = fmt.Errorf("%w for %v: %w", ErrSlow, s.patience, err)
	}
}

// late reports whether the client has been at the end of its time. HTTP/2 of net/http may
// reset a stream at its deadline although the part was taken in the same moment, so that
// the next one fails, or the request's context ends. The caller holds mu.
func (s *Stream) late() bool { return s.took >= s.patience-s.patience/10 }

// Late reports whether the client has taken all of its time for the last part, so that a
// stream which has ended was ended by that.
func (s *Stream) Late() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.late()
}

// unbound removes the deadline of the last write: HTTP/2 of net/http resets a stream whose
// deadline has passed, even if nothing is being written, and a watch may be silent for hours.
func (s *Stream) unbound() {
	s.timing.Lock()
	defer s.timing.Unlock()
	if s.end.IsZero() {
		_ = s.control.SetWriteDeadline(time.Time{})
	}
}

// bound gives the client a time in which to take what is written next.
func (s *Stream) bound() {
	s.timing.Lock()
	defer s.timing.Unlock()
	by := time.Now().Add(s.patience)
	if !s.end.IsZero() && s.end.Before(by) {
		by = s.end
	}
	_ = s.control.SetWriteDeadline(by)
}

// Break makes err the reason why the response ends early, unless there is one, and returns
// the reason.
func (s *Stream) Break(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
	return s.err
}

// Cut gives the client no more than d to take what is being written and what is written
// from now on. Of several calls the earliest end counts. It may be called from any
// goroutine while the handler has not returned.
func (s *Stream) Cut(d time.Duration) {
	s.timing.Lock()
	defer s.timing.Unlock()
	if by := time.Now().Add(d); s.end.IsZero() || by.Before(s.end) {
		s.end = by
		_ = s.control.SetWriteDeadline(by)
	}
}

// End ends the response, and returns why the client has not got all of it; nil: it has.
func (s *Stream) End() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == http.ErrBodyNotAllowed {
		return nil
	}
	if s.err == nil { // the connection may serve another request
		_ = s.control.SetWriteDeadline(time.Time{})
	}
	return s.err
}

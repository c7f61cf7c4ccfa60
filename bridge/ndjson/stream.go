package ndjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
)

// ContentType is that of the response.
const ContentType = "application/x-ndjson"

// Patience is how long a client may take for one line. It is longer than a network fault
// that TCP gets over, and bounds what a client that has stopped reading costs.
const Patience = time.Minute

// Stream is a response of lines. It is safe for concurrent use.
type Stream struct {
	w        http.ResponseWriter
	control  *http.ResponseController
	rec      *answer.Record
	patience time.Duration

	mu  sync.Mutex // guards writing, and err
	err error      // why nothing more is written

	timing sync.Mutex // guards the deadline of writes, and end
	end    time.Time  // of all writes; zero: there is none
}

// Begin begins the response: its head is sent at once. A response to HEAD has no lines.
func Begin(w http.ResponseWriter, r *http.Request, rec *answer.Record) *Stream {
	return begin(w, r, rec, Patience)
}

func begin(w http.ResponseWriter, r *http.Request, rec *answer.Record, patience time.Duration) *Stream {
	h := w.Header()
	h.Set("Content-Type", ContentType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Accel-Buffering", "no") // nginx would keep lines back
	rec.Status = http.StatusOK
	s := &Stream{w: w, control: http.NewResponseController(w), rec: rec, patience: patience}
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		s.err = http.ErrBodyNotAllowed
		return s
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bound(s.patience)
	s.flush()
	return s
}

// Write writes v as a line, and returns when the client's connection has taken it. A value
// that cannot be encoded ends the response, as a line that is not written would be missing
// from it. After an error every further call returns it.
func (s *Stream) Write(v any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	// Within the lock: at most one line is in memory twice.
	var line bytes.Buffer
	e := json.NewEncoder(&line)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil { // it may hold what a cluster has said
		s.err = fmt.Errorf("encode a line: %w", err)
		return s.err
	}
	s.bound(s.patience)
	n, err := s.w.Write(line.Bytes())
	s.rec.Sent += int64(n)
	if err != nil {
		s.err = fmt.Errorf("write to the client: %w", err)
		return s.err
	}
	s.flush()
	return s.err
}

// flush sends what was written. The caller holds mu.
func (s *Stream) flush() {
	if err := s.control.Flush(); err != nil {
		s.err = fmt.Errorf("write to the client: %w", err)
		return
	}
	s.rec.LastSent = time.Now()
	s.unbound()
}

// unbound takes the time of the last write back: HTTP/2 of net/http resets a stream whose
// time is over, even if nothing is being written, and a watch may be silent for hours.
func (s *Stream) unbound() {
	s.timing.Lock()
	defer s.timing.Unlock()
	if s.end.IsZero() {
		_ = s.control.SetWriteDeadline(time.Time{})
	}
}

// bound gives the client a time in which to take what is written next.
func (s *Stream) bound(d time.Duration) {
	s.timing.Lock()
	defer s.timing.Unlock()
	by := time.Now().Add(d)
	if !s.end.IsZero() && s.end.Before(by) {
		by = s.end
	}
	_ = s.control.SetWriteDeadline(by)
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

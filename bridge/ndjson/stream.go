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

// Patience is how long a client may take for one line.
const Patience = answer.Patience

// Stream is a response of lines. It is safe for concurrent use.
type Stream struct {
	body *answer.Stream
	mu   sync.Mutex // held while a line is written: at most one is in memory twice
}

// Begin begins the response: its head is sent at once. A response to HEAD has no lines.
func Begin(w http.ResponseWriter, r *http.Request, rec *answer.Record) *Stream {
	return begin(w, r, rec, Patience)
}

func begin(w http.ResponseWriter, r *http.Request, rec *answer.Record, patience time.Duration) *Stream {
	return &Stream{body: answer.BeginStream(w, r, rec, ContentType, patience)}
}

// Write writes v as a line, and returns when the client's connection has taken it. A value
// that cannot be encoded ends the response, as a line that is not written would be missing
// from it. After an error every further call returns it.
func (s *Stream) Write(v any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var line bytes.Buffer
	e := json.NewEncoder(&line)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil { // it may hold what a cluster has said
		return s.body.Break(fmt.Errorf("encode a line: %w", err))
	}
	return s.body.Write(line.Bytes())
}

// Cut is [answer.Stream.Cut].
func (s *Stream) Cut(d time.Duration) { s.body.Cut(d) }

// End is [answer.Stream.End].
func (s *Stream) End() error { return s.body.End() }

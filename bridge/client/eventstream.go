package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"mime"
	"strconv"
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
)

// eventStream reads one response of server-sent events.
type eventStream struct {
	yield func(api.Event, error) bool
	last  string        // the id of the latest event that was whole
	retry time.Duration // when to come back, if the bridge has said so
	heard bool          // anything
	left  bool          // the loop was left

	// Of the event that is being read; id is the one before where it has none.
	id, name string
	data     []byte
}

// follow reads events until the stream ends. It returns why, nil if the bridge has ended it.
func (s *eventStream) follow(ctx context.Context, c *Client, r *request) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	res, err := c.once(ctx, r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); kind != r.accept {
		return &setupError{fmt.Errorf("%s: the response is %q and not events: is it from a bridge?", r, kind)}
	}
	silent := time.AfterFunc(mostSilence, cancel)
	defer silent.Stop()
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(make([]byte, 0, 16<<10), 1<<20) // events are a few hundred bytes
	lines.Split(wholeLines)
	for lines.Scan() {
		silent.Reset(mostSilence)
		s.heard = true
		if err := s.line(bytes.TrimSuffix(lines.Bytes(), []byte("\r"))); err != nil || s.left {
			return err
		}
	}
	return lines.Err()
}

// line takes one line of the stream.
func (s *eventStream) line(line []byte) error {
	if len(line) == 0 {
		return s.end()
	}
	field, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(field) {
	case "event":
		s.name = string(value)
	case "data":
		s.data = append(s.data, value...)
		s.data = append(s.data, '\n')
	case "id":
		s.id = string(value)
	case "retry":
		if ms, err := strconv.Atoi(string(value)); err == nil && ms >= 0 && ms < 1e9 {
			s.retry = time.Duration(ms) * time.Millisecond
		}
	}
	return nil
}

// end is that of an event.
func (s *eventStream) end() error {
	name, data := s.name, s.data
	s.name, s.data = "", s.data[:0]
	if s.id != "" {
		s.last = s.id
	}
	switch {
	case name == "reset":
		s.left = !s.yield(api.Event{}, ErrEventsLost)
		return nil
	case len(data) == 0 || name == "end": // the connection ends then, and the next one tells why
		return nil
	}
	var e api.Event
	if err := json.Unmarshal(data, &e); err != nil {
		return fmt.Errorf("decode an event: %w", err)
	}
	s.left = !s.yield(e, nil)
	return nil
}

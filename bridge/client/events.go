package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
)

// ErrEventsLost says that events between the last one and the next are no longer kept:
// whoever derives a state from events reads the state again. The events go on after it.
var ErrEventsLost = errors.New("events in between are no longer kept")

// EventFilter says which events. The zero value: all that the caller may know of.
type EventFilter struct {
	// After is the ID of the last event that is known, or "oldest". Default: [Client.Events]
	// begins with what happens from now on, [Client.EventPage] with the oldest.
	After string
	// Tenant is the only one.
	Tenant string
	// Clusters are the only ones, Types the only types, such as operation.*: at most 100 each.
	Clusters, Types []string
}

func (f EventFilter) request() *request {
	r := get("v1", "events")
	r.query = url.Values{}
	if f.After != "" {
		r.query.Set("after", f.After)
	}
	if f.Tenant != "" {
		r.query.Set("tenant", f.Tenant)
	}
	for _, c := range f.Clusters {
		r.query.Add("cluster", c)
	}
	for _, t := range f.Types {
		r.query.Add("type", t)
	}
	return r
}

// EventPage returns events that have happened, of which there are at most limit; 0: 100.
// What follows is after its Next.
func (c *Client) EventPage(ctx context.Context, f EventFilter, limit int) (*api.EventList, error) {
	r := f.request()
	r.query.Set("follow", "false")
	if limit > 0 {
		r.query.Set("limit", strconv.Itoa(limit))
	}
	list := &api.EventList{}
	return list, c.into(ctx, r, list)
}

// Events yields events as they happen, until the context or the loop ends. When the
// connection is lost, or the bridge goes away, it connects again and goes on after the last
// event, so that none is missed; one may come twice, with the same ID. It ends with an
// error if the bridge refuses the caller or the filter, or cannot be reached at all to begin
// with, which is tried as often as any request. [ErrEventsLost] alone is an error after
// which it goes on.
func (c *Client) Events(ctx context.Context, f EventFilter) iter.Seq2[api.Event, error] {
	return func(yield func(api.Event, error) bool) {
		r := f.request()
		r.accept = "text/event-stream"
		err := c.goOn(ctx, func() leg {
			s := &eventStream{yield: yield}
			err := s.follow(ctx, c, r)
			if s.last != "" {
				r.header = http.Header{"Last-Event-Id": {s.last}}
			}
			return leg{heard: s.heard, done: s.left, wait: s.retry, err: err}
		})
		if err != nil {
			yield(api.Event{}, err)
		}
	}
}

// mostSilence is how long a stream may have nothing: the bridge writes every 15 s.
const mostSilence = 50 * time.Second

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
	if err := r.answered(res); err != nil {
		return err
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

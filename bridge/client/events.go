package client

import (
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
	"github.com/fairlead-io/fairlead/bridge/client/internal/exchange"
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

func (f EventFilter) request() *exchange.Request {
	r := exchange.Get("v1", "events")
	r.Query = url.Values{}
	if f.After != "" {
		r.Query.Set("after", f.After)
	}
	if f.Tenant != "" {
		r.Query.Set("tenant", f.Tenant)
	}
	for _, c := range f.Clusters {
		r.Query.Add("cluster", c)
	}
	for _, t := range f.Types {
		r.Query.Add("type", t)
	}
	return r
}

// EventPage returns events that have happened, of which there are at most limit; 0: 100.
// What follows is after its Next.
func (c *Client) EventPage(ctx context.Context, f EventFilter, limit int) (*api.EventList, error) {
	r := f.request()
	r.Query.Set("follow", "false")
	if limit > 0 {
		r.Query.Set("limit", strconv.Itoa(limit))
	}
	list := &api.EventList{}
	return list, c.bridge.Into(ctx, r, list)
}

// Events yields events as they happen, until the context or the loop ends. When the
// connection is lost, or the bridge goes away, it connects again and goes on after the last
// event, so that none is missed; one may come twice, with the same ID. It ends with an
// error if the bridge refuses the caller or the filter, or cannot be reached at all to begin
// with, which is tried as often as any request. [ErrEventsLost] alone is an error after
// which it goes on.
func (c *Client) Events(ctx context.Context, f EventFilter) iter.Seq2[api.Event, error] {
	return func(yield func(api.Event, error) bool) {
		s := &eventStream{request: f.request(), yield: yield}
		s.request.Accept = "text/event-stream"
		if err := c.follow(ctx, s, mostSilence); err != nil {
			yield(api.Event{}, err)
		}
	}
}

const (
	// mostSilence is how long a stream may have nothing: the bridge writes every 15 s.
	mostSilence = 50 * time.Second
	// mostEvent bounds an event, which is a few hundred bytes, in bytes.
	mostEvent = 1 << 20
)

// eventStream reads server-sent events.
type eventStream struct {
	request *exchange.Request
	yield   func(api.Event, error) bool
	retry   time.Duration // when to come back, if the bridge has said so
	left    bool          // the loop was left

	// Of the event that is being read; id is the one before where it has none.
	id, name string
	data     []byte
}

// Next goes on after the latest event that was whole. What was cut off is none.
func (s *eventStream) Next() *exchange.Request {
	s.id, s.name, s.data, s.retry = "", "", nil, 0
	return s.request
}

// Pause is what the latest connection has said.
func (s *eventStream) Pause() time.Duration { return s.retry }

// Line takes one line of the stream.
func (s *eventStream) Line(r *exchange.Request, line []byte) (left bool, err error) {
	line = bytes.TrimSuffix(line, []byte("\r"))
	if len(line) == 0 {
		err := s.end()
		return s.left, err
	}
	field, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(field) {
	case "event":
		s.name = string(value)
	case "data":
		s.data = append(s.data, value...)
		s.data = append(s.data, '\n')
		if len(s.data) > mostEvent {
			return false, &exchange.FinalError{Err: fmt.Errorf("%s: an event is larger than %d bytes", r, mostEvent)}
		}
	case "id":
		s.id = string(value)
	case "retry":
		if ms, err := strconv.Atoi(string(value)); err == nil && ms >= 0 && ms < 1e9 {
			s.retry = time.Duration(ms) * time.Millisecond
		}
	}
	return false, nil
}

// end is that of an event.
func (s *eventStream) end() error {
	name, data := s.name, s.data
	s.name, s.data = "", s.data[:0]
	if s.id != "" {
		s.request.Header = http.Header{"Last-Event-Id": {s.id}}
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

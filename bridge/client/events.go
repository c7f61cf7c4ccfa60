package client

import (
	"context"
	"errors"
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
		began := false
		for failures := 0; ; {
			s := &eventStream{yield: yield}
			err := s.follow(ctx, c, r)
			began = began || s.heard
			switch {
			case s.left:
				return
			case ctx.Err() != nil:
				yield(api.Event{}, ctx.Err())
				return
			case refused(err), !began && failures+1 >= c.retry.Attempts:
				yield(api.Event{}, err)
				return
			}
			if s.last != "" {
				r.header = http.Header{"Last-Event-Id": {s.last}}
			}
			failures++
			if s.heard {
				failures = 1
			}
			if !sleep(ctx, max(c.retry.pause(failures), min(s.retry, c.retry.MaxWait))) {
				<-ctx.Done() // or its deadline comes before the end of the pause
				yield(api.Event{}, ctx.Err())
				return
			}
		}
	}
}

// refused reports whether an error will be the same the next time.
func refused(err error) bool {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Problem.Status < 500 && e.Problem.Status != http.StatusTooManyRequests
	}
	_, ok := errors.AsType[*setupError](err)
	return ok
}

// mostSilence is how long a stream may have nothing: the bridge writes every 15 s.
const mostSilence = 50 * time.Second

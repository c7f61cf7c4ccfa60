package feed

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/events"
	"github.com/fairlead-io/fairlead/bridge/platform/endpoint"
	"github.com/fairlead-io/fairlead/bridge/store"
	"github.com/fairlead-io/fairlead/subjects"
)

const (
	// maxStreams bounds the streams of a bridge, each of which takes about 50 KiB.
	maxStreams = 4096
	// maxCallerStreams bounds those of one caller: pages of a browser, and programs.
	maxCallerStreams = 100
	// pageTimeout bounds how long a page of JSON is collected. One that is not full by then
	// says that there is more.
	pageTimeout = 10 * time.Second
)

// Service serves the log. Its fields are set before the first request and never changed.
// It is safe for concurrent use.
type Service struct {
	Door *access.Door
	Log  events.Log
	// Leaving ends when the server takes no new connections.
	Leaving context.Context
	// Metrics counts streams; nil: nothing does.
	Metrics *Metrics

	heartbeat time.Duration // between comments; 0: heartbeatInterval
	patience  time.Duration // with a client; 0: answer.Patience

	mu      sync.Mutex
	streams int
	callers map[string]int // streams by caller
}

// Routes are those of the service.
func (s *Service) Routes() []endpoint.Route {
	return []endpoint.Route{endpoint.Get("/v1/events", s.get)}
}

func (s *Service) get(w http.ResponseWriter, r *http.Request, rec *answer.Record, _ endpoint.Place) {
	visitor, f := s.Door.Authenticate(r, rec)
	if f == nil {
		var q query
		if q, f = parseQuery(r); f == nil {
			if q.follow {
				f = s.follow(w, r, rec, visitor, &q)
			} else {
				f = s.page(w, r, rec, visitor, &q)
			}
		}
	}
	if f != nil {
		answer.Fail(w, r, rec, answer.ProblemBody, f)
	}
}

// page answers with a page of JSON.
func (s *Service) page(w http.ResponseWriter, r *http.Request, rec *answer.Record, v *access.Visitor, q *query) *answer.Failure {
	ctx, cancel := context.WithTimeout(r.Context(), pageTimeout)
	defer cancel()
	list := api.EventList{Events: []api.Event{}, Next: q.after, More: true}
	for list.More && len(list.Events) < q.limit && (ctx.Err() == nil || list.Next == q.after) {
		p, err := s.Log.Read(ctx, list.Next, &q.filter, q.limit-len(list.Events))
		if err != nil {
			return explain(r.Context(), err)
		}
		shown, f := visible(ctx, v, p.Events)
		if f != nil {
			return f
		}
		list.Events = append(list.Events, shown...)
		list.Next, list.More, list.Reset = p.Next, p.More, list.Reset || p.Reset
	}
	answer.JSON(w, r, rec, http.StatusOK, list)
	return nil
}

// visible returns the events of clusters that the caller may know of now.
func visible(ctx context.Context, v *access.Visitor, all []events.Event) ([]events.Event, *answer.Failure) {
	if len(all) == 0 {
		return nil, nil
	}
	now, f := v.Current(ctx)
	if f != nil {
		return nil, f
	}
	var shown []events.Event
	known := map[subjects.ClusterRef]bool{}
	for i := range all {
		ref := subjects.ClusterRef{Tenant: all[i].Tenant, Cluster: all[i].Cluster}
		may, asked := known[ref]
		if !asked {
			if may, f = now.Visible(ctx, ref); f != nil {
				return nil, f
			}
			known[ref] = may
		}
		if may {
			shown = append(shown, all[i])
		}
	}
	return shown, nil
}

// explain makes an error of the log a failure.
func explain(ctx context.Context, err error) *answer.Failure {
	switch {
	case errors.Is(err, events.ErrPosition):
		return answer.Failf(answer.BadRequest, "Last-Event-ID or after: %w", err)
	case ctx.Err() != nil:
		return answer.Failf(answer.ClientGone, "%w", context.Cause(ctx))
	case errors.Is(err, store.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded):
		return answer.Failf(answer.StoreUnavailable, "events cannot be read now: %w", err)
	}
	return answer.Failf(answer.InternalError, "events cannot be read: %w", err)
}

// enter takes a place for a stream. leave must be called if there is one.
func (s *Service) enter(v *access.Visitor) (leave func(), f *answer.Failure) {
	who := string(v.Caller.Method) + "\x00" + v.Caller.Issuer + "\x00" + v.Caller.Name
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.streams >= maxStreams:
		return nil, answer.Failf(answer.RateLimited, "the bridge serves %d streams of events, and no more", maxStreams)
	case s.callers[who] >= maxCallerStreams:
		return nil, answer.Failf(answer.RateLimited, "the caller has %d streams of events at this bridge, and may have no more", maxCallerStreams)
	}
	if s.callers == nil {
		s.callers = map[string]int{}
	}
	s.streams++
	s.callers[who]++
	s.Metrics.begin()
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.streams--
		if s.callers[who]--; s.callers[who] == 0 {
			delete(s.callers, who)
		}
	}, nil
}

package operations

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/events"
	"github.com/fairlead-io/fairlead/bridge/store/kv"
)

const (
	// lookInterval is how often the dispatcher looks, in memory, which clusters are back.
	lookInterval = time.Second
	// watchRetry is the pause before the bucket is followed again, if that has failed.
	watchRetry = 10 * time.Second
	// tidyInterval is how often what the bucket has forgotten is forgotten here.
	tidyInterval = time.Hour
	// expireAtOnce bounds how many operations a look expires, each with a write.
	expireAtOnce = 64
	// eventAge is how old a change may be that a bridge still appends an event of. It is
	// shorter than the window in which the log knows the same event of another bridge.
	eventAge = 90 * time.Second
)

// Run reads the bucket and executes operations until ctx ends. What is being executed then
// has [parting] to end. Without a store it waits for ctx.
func (s *Service) Run(ctx context.Context) error {
	if s.bucket == nil {
		<-ctx.Done()
		return nil
	}
	var parts sync.WaitGroup
	defer parts.Wait()
	watching, stop := context.WithCancel(ctx)
	defer stop()
	parts.Go(func() { s.watch(watching) })
	parts.Go(func() { s.expire(watching) })
	s.work.run(ctx)
	return nil
}

// watch follows the bucket until ctx ends.
func (s *Service) watch(ctx context.Context) {
	t := time.NewTicker(watchRetry)
	defer t.Stop()
	for ctx.Err() == nil {
		if err := s.bucket.Watch(ctx, "", s.watcher()); err != nil {
			s.log.Error("the bucket of operations cannot be followed", "error", err)
			s.index.known(err)
		}
		select {
		case <-ctx.Done():
		case <-t.C:
			s.index.reset() // all is read again, in no order
		}
	}
}

// watcher feeds the index.
func (s *Service) watcher() kv.Watcher {
	return kv.Watcher{
		Put: func(e kv.Entry) {
			v, err := decode(e.Key, e.Value)
			if err != nil {
				s.log.Warn("a value in the bucket of operations is ignored", "key", e.Key, "error", err)
				return
			}
			if s.index.put(entryOf(&e, v), true) && time.Since(e.Time) < eventAge {
				s.tell(v, e.Time)
			}
			if open(v.State) {
				s.wake()
			}
		},
		Reset: s.index.reset,
		Known: s.index.known,
	}
}

// types are the events of the states.
var types = map[api.OperationState]events.Type{
	api.OperationQueued: api.EventOperationQueued, api.OperationRunning: api.EventOperationStarted, api.OperationSucceeded: api.EventOperationSucceeded,
	api.OperationFailed: api.EventOperationFailed, api.OperationExpired: api.EventOperationExpired, api.OperationCanceled: api.EventOperationCanceled,
	api.OperationUnknown: api.EventOperationFailed,
}

// tell appends the event of a change: the bridge that makes it does, and every other one
// that reads it from the bucket, in case the first does not get to it. The log keeps one.
func (s *Service) tell(v *value, at time.Time) {
	if open(v.State) && v.Attempts > 1 || v.State == api.OperationQueued && v.Attempts > 0 { // it was told
		return
	}
	e := events.Event{Type: types[v.State], Time: at, Tenant: v.Tenant, Cluster: v.Cluster, Operation: v.ID, Detail: string(v.Kind) + " " + v.Path}
	switch {
	case v.State == api.OperationUnknown:
		e.Cause, e.Detail = "outcome-unknown", "whether it was executed is not known: "+e.Detail
	case v.State == api.OperationFailed && v.Problem != nil:
		e.Cause, e.Detail = v.Problem.Code, v.Problem.Detail
	case v.State == api.OperationFailed && v.Result != nil:
		e.Cause, e.Detail = "api-server-rejected", fmt.Sprintf("status %d: %s", v.Result.Status, e.Detail)
	}
	if err := s.Events.Append(context.Background(), e, v.ID+"/"+string(v.State)); err != nil {
		s.log.Error("an event of an operation could not be appended", "operation", v.ID, "error", err)
	}
}

// expire ends what was not begun in time, until ctx ends. Every bridge does: of two
// changes one counts.
func (s *Service) expire(ctx context.Context) {
	look, tidy := time.NewTicker(lookInterval), time.NewTicker(tidyInterval)
	defer look.Stop()
	defer tidy.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tidy.C:
			s.index.forget(now)
		case now := <-look.C:
			for _, e := range s.index.overdue(now, expireAtOnce) {
				if err := s.expireOne(ctx, e); err != nil {
					break // it is tried again
				}
			}
		}
	}
}

func (s *Service) expireOne(ctx context.Context, is *entry) error {
	e, err := s.bucket.Get(ctx, keyOf(is.ref, is.id))
	if err != nil {
		return err
	}
	v, err := decode(e.Key, e.Value)
	if err != nil || v.State != api.OperationQueued {
		return err
	}
	v.expired(&e)
	if err := s.write(ctx, &e, v); !errors.Is(err, kv.ErrConflict) {
		return err
	}
	return nil
}

// expired ends an operation that was not begun in time.
func (v *value) expired(e *kv.Entry) {
	v.place(e.Revision)
	v.end(api.OperationExpired, time.Now())
}

// write replaces the value of an operation, and notes it in the index.
func (s *Service) write(ctx context.Context, e *kv.Entry, v *value) error {
	b := v.encode()
	revision, err := s.bucket.Update(ctx, e.Key, b, e.Revision)
	if err != nil {
		return err
	}
	e.Value, e.Revision, e.Time = b, revision, time.Now()
	s.index.put(entryOf(e, v), false)
	s.tell(v, e.Time)
	return nil
}

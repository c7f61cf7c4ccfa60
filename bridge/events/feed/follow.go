package feed

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/events"
)

const (
	// heartbeatInterval is how often something is sent: proxies in front give up what is
	// silent for a minute, as a rule.
	heartbeatInterval = 15 * time.Second
	// pageSize is how many events are in memory for one stream.
	pageSize = 100
	// retryInterval is the pause before the log is read again that could not be.
	retryInterval = time.Second
)

// Why streams end, for metrics.
const (
	endClient   = "client"
	endSlow     = "slow"
	endShutdown = "shutdown"
	endRevoked  = "revoked"
	endFailed   = "failed"
)

// follower is a stream of events.
type follower struct {
	*Service
	visitor *access.Visitor
	filter  *events.Filter
	rec     *answer.Record
	out     *writer
	at      string // the position up to which events were read
}

// follow answers with a stream. A failure is one before it has begun.
func (s *Service) follow(w http.ResponseWriter, r *http.Request, rec *answer.Record, v *access.Visitor, q *query) *answer.Failure {
	at, f := s.begin(r.Context(), q)
	if f != nil {
		return f
	}
	leave, f := s.enter(v)
	if f != nil {
		return f
	}
	defer leave()
	ctx, release := v.Hold(r.Context())
	defer release()
	out := open(w, r, rec, s.patience)
	if r.Method == http.MethodHead {
		s.Metrics.end(endClient)
		return nil
	}
	stop := out.cutAfter(ctx, s.Leaving)
	defer stop()
	fo := &follower{Service: s, visitor: v, filter: &q.filter, rec: rec, out: out, at: at}
	s.Metrics.end(fo.end(ctx, fo.run(ctx)))
	return nil
}

// begin is where a stream begins. It reads once, so that a log that cannot be read, or a
// position that is none, is told by the status.
func (s *Service) begin(ctx context.Context, q *query) (at string, f *answer.Failure) {
	if q.now {
		end, err := s.Log.End(ctx)
		if err != nil {
			return "", explain(ctx, err)
		}
		return end, nil
	}
	if _, err := s.Log.Read(ctx, q.after, &q.filter, 1); err != nil {
		return "", explain(ctx, err)
	}
	return q.after, nil
}

// errLeaving is why a stream ends when the server leaves.
var errLeaving = errors.New("the bridge is shutting down")

// run sends events until the stream ends, and returns why.
func (fo *follower) run(ctx context.Context) error {
	heard, stop := fo.Log.Subscribe()
	defer stop()
	every := fo.heartbeat
	if every == 0 {
		every = heartbeatInterval
	}
	beat := time.NewTicker(every)
	defer beat.Stop()
	if err := fo.out.start(); err != nil {
		return err
	}
	for {
		more, err := fo.next(ctx)
		if err != nil {
			return err
		}
		var retry <-chan time.Time
		switch {
		case ctx.Err() != nil || fo.Leaving.Err() != nil:
		case more == now:
			continue
		case more == later:
			retry = time.After(retryInterval)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-fo.Leaving.Done():
			return errLeaving
		case <-heard:
		case <-retry:
		case <-beat.C:
			if err := fo.out.beat(fo.at); err != nil {
				return err
			}
		}
	}
}

// when says when to read again.
type when int

const (
	whenHeard when = iota
	now
	later
)

// next sends the next events.
func (fo *follower) next(ctx context.Context) (when, error) {
	p, err := fo.Log.Read(ctx, fo.at, fo.filter, pageSize)
	if err != nil {
		return later, nil // what the store does not give now is given later
	}
	if p.Reset {
		fo.out.event("", "reset", struct{}{})
	}
	shown, f := visible(ctx, fo.visitor, p.Events)
	if f != nil {
		return 0, f
	}
	for i := range shown {
		fo.out.event(shown[i].ID, string(shown[i].Type), &shown[i])
	}
	fo.at = p.Next
	if err := fo.out.flush(); err != nil {
		return 0, err
	}
	if p.More {
		return now, nil
	}
	return whenHeard, nil
}

package watch

import (
	"context"
	"errors"
	"net/http"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/call"
	"github.com/fairlead-io/fairlead/bridge/ndjson"
	"github.com/fairlead-io/fairlead/bridge/tunnel/socket"
	"github.com/fairlead-io/fairlead/subjects"
)

// heartbeatInterval is how often a line comes if nothing happens: proxies in front give up
// what is silent for a minute, as a rule.
const heartbeatInterval = 30 * time.Second

// errUnread is why a watch ends whose client does not take its lines.
var errUnread = errors.New("the client takes no more lines")

// run is a watch that runs.
type run struct {
	s       *Service
	query   *query
	id      string
	visitor *access.Visitor
	session *call.Session
	lines   *ndjson.Stream
	pool    *semaphore.Weighted
	members call.Group
	abort   context.CancelCauseFunc
}

// run watches the clusters and writes what comes.
func (s *Service) run(w http.ResponseWriter, r *http.Request, rec *answer.Record, v *access.Visitor, q *query) {
	c := &run{s: s, query: q, id: rec.ID, visitor: v, session: s.Calls.For(r, rec), pool: newPool()}
	c.lines = ndjson.Begin(w, r, rec)
	if r.Method == http.MethodHead {
		return
	}
	aborted, abort := context.WithCancelCause(r.Context())
	defer abort(nil)
	c.abort = abort
	held, release := v.Hold(aborted)
	defer release()
	ctx, cancel := context.WithCancel(held)
	defer cancel()
	defer context.AfterFunc(s.Leaving, cancel)()
	cut := make(chan struct{})
	unhook := context.AfterFunc(ctx, func() {
		defer close(cut)
		c.lines.Cut(socket.Linger) // a client that does not read holds up nothing that ends
	})
	var beat call.Group
	beat.Go(func() { c.beat(ctx) })
	for _, ref := range q.named {
		m := c.member(ref)
		c.members.Go(func() { m.watch(ctx) })
	}
	if q.selection != nil {
		c.members.Go(func() { c.follow(ctx, q.found) })
	}
	c.members.Wait()
	if !unhook() {
		<-cut
	}
	cause := ended(held, s.Leaving)
	cancel()
	beat.Wait()
	c.end(rec, cause)
}

// member is the watch of a cluster. Only the first one goes on: a cluster that is selected
// again has been told as ended, and is told anew.
func (c *run) member(ref subjects.ClusterRef) *member {
	version := c.query.from[ref]
	delete(c.query.from, ref)
	return &member{run: c, ref: ref, name: ref.String(), version: version, told: version != "", lost: version != ""}
}

// beat writes heartbeats.
func (c *run) beat(ctx context.Context) {
	tick := time.NewTicker(heartbeatInterval)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			now = now.UTC()
			if c.send(&api.WatchLine{Heartbeat: &now}) != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// send writes a line. A client that does not take it ends the watch.
func (c *run) send(line any) error {
	err := c.lines.Write(line)
	if err != nil {
		c.abort(errUnread)
	}
	return err
}

// ended is why a watch has ended; nil: each cluster has ended by itself.
func ended(held, leaving context.Context) *answer.Failure {
	if held.Err() != nil {
		if f, ok := errors.AsType[*answer.Failure](context.Cause(held)); ok {
			return f
		}
		return answer.Failf(answer.ClientGone, "the caller went away")
	}
	if leaving.Err() != nil {
		return answer.Failf(answer.Stopping, "the bridge is shutting down; other bridges serve, so come back")
	}
	return nil
}

// end writes the last line, and notes in the record how the watch ended.
func (c *run) end(rec *answer.Record, why *answer.Failure) {
	last := &api.WatchSummary{}
	if why != nil {
		last.Problem = why.Problem(rec.ID)
	}
	_ = c.lines.Write(&api.WatchLine{Summary: last})
	if err := c.lines.End(); err != nil {
		rec.Aborted = err
	}
	if why != nil && why.Kind != answer.ClientGone && why.Kind != answer.Stopping {
		rec.Revoked = why
	}
}

package fleet

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
)

// run is a fleet call that runs.
type run struct {
	*plan
	s        *Service
	id       string // of the call
	visitor  *access.Visitor
	session  *call.Session
	lines    *ndjson.Stream
	pool     *pool
	tally    *tally
	slots    *semaphore.Weighted
	patience *patience

	// held ends when nothing more may be written: the caller has gone, or its credential
	// has ended. ctx ends with it and at the deadline, and governs the requests. open ends
	// with ctx and at a drain: nothing is begun then.
	held, ctx, open context.Context
	abort           context.CancelCauseFunc // of held
}

// errUnread is why a call ends whose client does not take its lines.
var errUnread = errors.New("the client takes no more lines")

// run asks the clusters and writes what becomes of each.
func (s *Service) run(w http.ResponseWriter, r *http.Request, rec *answer.Record, p *plan, v *access.Visitor) {
	c := &run{
		plan: p, s: s, id: rec.ID, visitor: v, session: s.Calls.For(r, rec), pool: newPool(), tally: newTally(len(p.targets), p.unavailable),
		slots: semaphore.NewWeighted(int64(p.concurrency)),
	}
	aborted, abort := context.WithCancelCause(r.Context())
	defer abort(nil)
	held, release := v.Hold(aborted)
	defer release()
	over := answer.Failf(answer.TimedOut, "no complete answer before the call's deadline, %s after its begin; the outcome is unknown", p.deadline).
		Timed(answer.TimeLimit{Of: "caller", After: p.deadline})
	ctx, cancel := context.WithTimeoutCause(held, p.deadline, over)
	defer cancel()
	open, closeDoor := context.WithCancel(ctx)
	defer closeDoor()
	defer context.AfterFunc(s.Leaving, closeDoor)()
	c.held, c.ctx, c.open, c.abort = held, ctx, open, abort
	c.patience = newPatience(open, len(p.targets))
	defer c.patience.end()

	c.lines = ndjson.Begin(w, r, rec)
	// A client that reads slowly does not make the deadline later by much, nor a drain or
	// the end of its credential.
	defer afterFunc(ctx, func() { c.lines.Cut(ndjson.Patience) })()
	defer afterFunc(held, func() { c.lines.Cut(socket.Linger) })()

	var all call.Group
	for _, t := range p.targets {
		all.Go(func() { c.one(t) })
	}
	all.Wait()
	c.end(rec)
}

// afterFunc is [context.AfterFunc], except that after stop f is not running.
func afterFunc(ctx context.Context, f func()) (stop func()) {
	ran := make(chan struct{})
	unhook := context.AfterFunc(ctx, func() {
		defer close(ran)
		f()
	})
	return func() {
		if !unhook() {
			<-ran
		}
	}
}

// one asks one cluster and writes its line.
func (c *run) one(t target) {
	defer c.patience.add(-1)
	begun := time.Now()
	var absent *answer.Failure
	if t.valid {
		absent = c.await(t)
	}
	if c.slots.Acquire(c.open, 1) != nil {
		c.tally.notBegun(t.name)
		return
	}
	defer c.slots.Release(1)
	if absent != nil {
		c.write(c.problem(t, absent, begun))
		return
	}
	if c.open.Err() != nil {
		c.tally.notBegun(t.name)
		return
	}
	l, give := c.ask(t)
	defer give()
	c.write(l)
}

// write writes a line, unless its caller may no longer have it or has gone.
func (c *run) write(l *line) {
	if c.held.Err() != nil {
		c.tally.failed(whyHeldEnded(c.held).Kind.Code)
		return
	}
	if err := c.lines.Write(l); err != nil {
		c.abort(errUnread)
		return
	}
	c.tally.line(&l.FleetLine)
}

// end writes the summary, and notes in the record how the call ended.
func (c *run) end(rec *answer.Record) {
	why := c.ended()
	var problem *api.Problem
	if why != nil {
		problem = why.Problem(rec.ID)
	}
	_ = c.lines.Write(c.tally.summary(problem, time.Since(rec.Start)))
	if err := c.lines.End(); err != nil {
		rec.Aborted = err
	}
	if why != nil && c.held.Err() != nil && why.Kind != answer.ClientGone && why.Kind != answer.Stopping {
		rec.Revoked = why
	}
}

// ended is why the call ended before its time; nil: it did not.
func (c *run) ended() *answer.Failure {
	n := c.tally.left()
	switch {
	case c.held.Err() != nil:
		return whyHeldEnded(c.held)
	case n == 0:
		return nil
	case c.ctx.Err() != nil:
		return answer.Failf(answer.TimedOut, "the deadline of %s has passed: %d clusters were sent nothing", c.deadline, n)
	}
	return answer.Failf(answer.Stopping, "the bridge is shutting down: %d clusters were sent nothing; call again for them", n)
}

// whyHeldEnded says why a held context has ended.
func whyHeldEnded(held context.Context) *answer.Failure {
	cause := context.Cause(held)
	if f, ok := errors.AsType[*answer.Failure](cause); ok {
		return f
	}
	if errors.Is(cause, errUnread) || errors.Is(cause, context.Canceled) {
		return answer.Failf(answer.ClientGone, "the caller went away")
	}
	return answer.Failf(answer.Stopping, "the bridge is shutting down")
}

package fleet

import (
	"context"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
)

// clock ends a request when its time is over. It stands still while the request waits for
// the client, which is not the cluster's fault. It is used by one goroutine.
type clock struct {
	cancel context.CancelCauseFunc
	timer  *time.Timer
	left   time.Duration
	since  time.Time // when it was started
}

// newClock starts a clock of a request; ctx ends when its time is over, with over as its
// cause, which has the time limit. end must be called.
func newClock(parent context.Context, over *answer.Failure) (c *clock, ctx context.Context) {
	c = &clock{left: over.TimeLimit.After, since: time.Now()}
	ctx, c.cancel = context.WithCancelCause(parent)
	c.timer = time.AfterFunc(c.left, func() { c.cancel(over) })
	return c, ctx
}

// stop makes the clock stand still.
func (c *clock) stop() {
	c.timer.Stop()
	c.left -= time.Since(c.since)
}

// start lets it go on.
func (c *clock) start() {
	c.since = time.Now()
	c.timer.Reset(max(c.left, 0))
}

func (c *clock) end() {
	c.timer.Stop()
	c.cancel(nil)
}

package webhook

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// runner is a webhook of the file, while it has one of this name.
type runner struct {
	*Sender
	name   string
	logger *slog.Logger
	target atomic.Pointer[target]
	// changed can be received from once the target is another one.
	changed chan struct{}
	stop    context.CancelFunc
	ended   chan struct{}
	counts  counts
}

// counts are what metrics tell.
type counts struct {
	accepted, refused, givenUp atomic.Uint64
	// oldest is the time of the event that is being sent, in nanoseconds since 1970; 0: none.
	oldest atomic.Int64
}

// lag is how old the event is that waits.
func (c *counts) lag() time.Duration {
	if at := c.oldest.Load(); at != 0 {
		return max(time.Since(time.Unix(0, at)), 0)
	}
	return 0
}

func newRunner(s *Sender, t *target) *runner {
	r := &runner{Sender: s, name: t.Name, logger: s.logger.With("webhook", t.Name), changed: make(chan struct{}, 1), ended: make(chan struct{})}
	r.target.Store(t)
	return r
}

// start competes for the webhook until ctx ends or stop is called.
func (r *runner) start(ctx context.Context) {
	ctx, r.stop = context.WithCancel(ctx)
	go func() {
		defer close(r.ended)
		defer r.stop()
		err := r.keeper.Hold(ctx, "webhook-"+r.name, func(ctx context.Context, _ uint64) {
			(&delivery{runner: r, cursor: cursor{bucket: r.cursors, key: "cursor-" + r.name}}).run(ctx)
		})
		if err != nil { // the connection is closed, as the bridge stops, or the name is none
			r.logger.Error("the webhook gets no events from this bridge", "error", err)
		}
		r.target.Load().client.CloseIdleConnections()
	}()
}

// change makes the webhook another one. An event that waits is sent there at once.
func (r *runner) change(t *target) {
	r.target.Swap(t).client.CloseIdleConnections()
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

package process

import (
	"context"
	"fmt"
	"time"
)

// pollEvery is how often a condition is checked. Components offer health endpoints
// and no notifications, so they have to be polled.
const pollEvery = 100 * time.Millisecond

// Until calls check until it returns nil. It gives up when ctx ends, when
// within has passed, or when p (which may be nil) has ended; the error then
// contains check's last error.
func Until(ctx context.Context, what string, within time.Duration, p *Process, check func(context.Context) error) error {
	late := fmt.Errorf("not within %s", within)
	ctx, cancel := context.WithTimeoutCause(ctx, within, late)
	defer cancel()
	var ended <-chan struct{} // nil blocks for ever
	if p != nil {
		ended = p.Done()
	}
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ended:
			return fmt.Errorf("wait for %s: %w", what, p.Err())
		case <-ctx.Done():
			cause := context.Cause(ctx)
			if p != nil && cause == late { // for a stop from outside the log is of no interest
				return fmt.Errorf("wait for %s: %w, last: %w, %s ends with:\n%s",
					what, cause, err, p.spec.Log, Tail(p.spec.Log, 20))
			}
			return fmt.Errorf("wait for %s: %w, last: %w", what, cause, err)
		case <-ticker.C:
		}
	}
}

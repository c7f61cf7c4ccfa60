package directory

import (
	"context"
	"time"
)

// Settle waits until t, so that whoever announces itself by then is in the
// directory. The error is an [*UnavailableError] with state [Disconnected]
// where the link is down then, or at once where the broker refuses the bridge;
// or ctx's cause.
func (d *Directory) Settle(ctx context.Context, t time.Time) error {
	var timer *time.Timer
	for {
		now := time.Now()
		d.mu.Lock()
		up, refused, since := d.linkUp, d.refused, d.linkAt
		changed := waitOn(&d.linkWake)
		d.mu.Unlock()
		left := t.Sub(now)
		switch {
		case refused, left <= 0 && !up:
			return &UnavailableError{State: Disconnected, Since: since}
		case left <= 0:
			return nil
		case timer == nil:
			timer = time.NewTimer(left)
			defer timer.Stop()
		default:
			timer.Reset(left)
		}
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

package sleep

import (
	"context"
	"time"
)

// For waits for d, and reports false if ctx has ended by then. Without a positive d it does
// not wait.
func For(ctx context.Context, d time.Duration) bool {
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
		}
	}
	return ctx.Err() == nil
}

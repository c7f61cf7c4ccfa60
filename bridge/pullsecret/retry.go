package pullsecret

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/internal/sleep"
)

const (
	// maxAttempts bounds how often an object is read and written again because another
	// writer came first. In each round of writers that started together one succeeds.
	maxAttempts = 20
	// firstPause and longestPause bound the pause before the next attempt, of which each
	// takes a random part, so that writers that have met once do not meet again.
	firstPause, longestPause = 10 * time.Millisecond, 500 * time.Millisecond
)

// retry calls attempt until it has succeeded or failed otherwise than by a conflict.
func retry(ctx context.Context, what string, attempt func() (conflict bool, f *answer.Failure)) *answer.Failure {
	pause := firstPause
	for range maxAttempts {
		conflict, f := attempt()
		if f != nil || !conflict {
			return f
		}
		if !sleep.For(ctx, rand.N(pause)) {
			return ended(ctx)
		}
		pause = min(2*pause, longestPause)
	}
	return answer.Failf(answer.WriteConflict, "%s: others wrote it each time between reading and writing, %d times; nothing was changed", what, maxAttempts)
}

// ended is why a context has ended.
func ended(ctx context.Context) *answer.Failure {
	if f, ok := context.Cause(ctx).(*answer.Failure); ok {
		return f
	}
	if context.Cause(ctx) == context.DeadlineExceeded {
		return answer.Failf(answer.TimedOut, "not done in time")
	}
	return answer.Failf(answer.ClientGone, "the caller went away")
}

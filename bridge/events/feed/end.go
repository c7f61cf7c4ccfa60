package feed

import (
	"context"
	"errors"
	"fmt"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
)

// end tells the client why its stream ends, and returns that for metrics.
func (fo *follower) end(ctx context.Context, why error) string {
	if f, ok := errors.AsType[*answer.Failure](context.Cause(ctx)); ok {
		why = f // whatever it has interrupted
	} else if fo.Leaving.Err() != nil {
		why = errLeaving
	}
	if errors.Is(why, errLeaving) {
		fo.finish(answer.Failf(answer.Stopping, "%w; other bridges serve, so come back", errLeaving))
		return endShutdown
	}
	if f, ok := errors.AsType[*answer.Failure](why); ok {
		fo.finish(f)
		if f.Kind.Status >= 500 {
			return endFailed
		}
		fo.rec.Revoked = f
		return endRevoked
	}
	if !errors.Is(why, answer.ErrSlow) && fo.out.body.Late() {
		why = fmt.Errorf("%w: %w", answer.ErrSlow, why)
	}
	if errors.Is(why, answer.ErrSlow) {
		fo.rec.Aborted = why
		return endSlow
	}
	return endClient
}

// finish sends the last event. The id that comes with it is where the client reads on.
func (fo *follower) finish(f *answer.Failure) {
	err := fo.out.last(fo.at, &api.EventsEnd{Code: f.Kind.Code, Detail: f.Detail})
	if err != nil {
		fo.rec.Aborted = err
	}
}

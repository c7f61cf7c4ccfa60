package watch

import (
	"context"
	"time"

	"github.com/fairlead-io/fairlead/bridge/internal/sleep"
)

const (
	// lookAtLeast is after how long it is asked again which clusters are selected though
	// nothing tells of a change: not all that selects them is the inventory's, such as the
	// labels of the access file.
	lookAtLeast = 5 * time.Second
	// lookPause is the least time between two looks. In a large fleet something changes all
	// the time, and a look of 10,000 clusters takes many milliseconds: so the pause is also
	// lookShare times as long as the look took, and a watch keeps less than a twentieth of a
	// processor busy.
	lookPause = 250 * time.Millisecond
	lookShare = 20
)

// looks says when it is time to ask which clusters are selected. It is for one goroutine.
type looks struct {
	changed <-chan struct{} // has a token once something may have changed; nil: nothing tells
	next    time.Time       // not before
}

// wait waits until it is time. A change that comes too early waits too. It returns false
// when ctx has ended.
func (l *looks) wait(ctx context.Context) bool {
	poll := time.NewTimer(lookAtLeast)
	defer poll.Stop()
	select {
	case <-l.changed:
	case <-poll.C:
	case <-ctx.Done():
		return false
	}
	sleep.For(ctx, time.Until(l.next))
	select {
	case <-l.changed: // what has changed meanwhile is seen now
	default:
	}
	return ctx.Err() == nil
}

// took says that a look has ended, and how long it took.
func (l *looks) took(d time.Duration) {
	l.next = time.Now().Add(min(max(lookPause, lookShare*d), lookAtLeast))
}

package approval

import (
	"context"
	"errors"
	"time"
)

// Store keeps the requests of a desk: in a file, or in a place that desks of several
// bridges share. It is safe for concurrent use.
type Store interface {
	// Start begins to tell a desk what is kept, now and after each change, whoever makes
	// it. It is called once, before the other methods.
	Start(l Learner) error
	// Put keeps a new request in the place of another one, without an ID for a free place,
	// or a new state of a request in its own. What is replaced is the version that was
	// learnt when the change was decided about, and no later one: [ErrChanged] says that
	// another desk was faster, and that this one has learnt what that did. When Put
	// returns nil, the desk has learnt r, and no crash takes it back.
	Put(ctx context.Context, r, instead Request) error
	// Err is why the desk may not know what is kept; nil: it does. It does not block.
	Err() error
	// Age is how long ago the desk last learnt all that is kept; 0: it knows it now. It does
	// not block.
	Age() time.Duration
	// Close ends the telling. It does not wait for a store that does not respond.
	Close()
}

// Learner is told what a store keeps. A store tells it one thing at a time.
type Learner interface {
	// Learn says that r is kept now, in the place of another request, "" for none. Without
	// an ID nothing is kept there any more.
	Learn(r Request, instead string)
	// Forget says that nothing of what was learnt is kept any more.
	Forget()
	// Recheck says that what [Store.Err] returns has changed.
	Recheck()
}

// ErrChanged says that a change of a [Store] was overtaken by another one.
var ErrChanged = errors.New("another bridge has changed it at the same time")

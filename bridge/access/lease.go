package access

import (
	"context"
	"sync"
)

// Lease ends when a [Caller] that was authenticated is out of date, so that
// running requests can be ended. All requests with one credential share it. It is
// safe for concurrent use. A nil *Lease never ends.
type Lease struct {
	ctx    context.Context
	cancel context.CancelFunc
	once   sync.Once
	next   *Caller // set before ctx ends
}

// NewLease returns a lease that has not ended.
func NewLease() *Lease {
	l := &Lease{}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// End ends the lease. next is the credential's caller from now on, with its
// own lease; nil means that the credential is no longer valid. Only the first call counts.
func (l *Lease) End(next *Caller) {
	l.once.Do(func() {
		l.next = next
		l.cancel()
	})
}

// Ended reports whether the lease has ended.
func (l *Lease) Ended() bool { return l != nil && l.ctx.Err() != nil }

// OnEnd calls f in its own goroutine when the lease ends, or at once if it has
// ended, with the argument of End. It starts no goroutine until then. stop is as
// that of [context.AfterFunc].
func (l *Lease) OnEnd(f func(next *Caller)) (stop func() bool) {
	if l == nil {
		return func() bool { return true }
	}
	return context.AfterFunc(l.ctx, func() { f(l.next) })
}

package access

import (
	"context"
	"sync"
)

// Lease tells those who go on relying on a [Caller] after it was authenticated
// when it no longer holds. It is shared by all requests with one credential and
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

// End ends the lease. next is the credential's caller from now on, with a lease
// of its own; nil: the credential is no longer valid. Only the first call counts.
func (l *Lease) End(next *Caller) {
	l.once.Do(func() {
		l.next = next
		l.cancel()
	})
}

// OnEnd calls f on a goroutine of its own when the lease ends, at once if it
// has, with what End was given. It starts none until then. stop is as that of
// [context.AfterFunc].
func (l *Lease) OnEnd(f func(next *Caller)) (stop func() bool) {
	if l == nil {
		return func() bool { return true }
	}
	return context.AfterFunc(l.ctx, func() { f(l.next) })
}

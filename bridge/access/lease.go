package access

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Lease ends when a [Caller] that was authenticated is out of date, so that
// running requests can be ended. All requests with one credential share it. It is
// safe for concurrent use. A nil *Lease never ends.
type Lease struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	stop   context.CancelFunc // of the timer; nil without
	once   sync.Once
	next   atomic.Pointer[Caller] // set before ctx ends
}

// errRevoked and errExpired are why a lease ended for good.
var (
	errRevoked = errors.New("the credential was revoked")
	errExpired = errors.New("the credential has expired")
)

// NewLease returns a lease that has not ended.
func NewLease() *Lease {
	l := &Lease{}
	l.ctx, l.cancel = context.WithCancelCause(context.Background())
	return l
}

// NewLeaseUntil returns a lease that ends at the time at which its credential
// expires, or before it by [Lease.End], which stops its timer.
func NewLeaseUntil(expires time.Time) *Lease {
	l := &Lease{}
	timed, stop := context.WithDeadlineCause(context.Background(), expires, errExpired)
	l.ctx, l.cancel = context.WithCancelCause(timed)
	l.stop = stop
	return l
}

// End ends the lease. next is the credential's caller from now on, with its
// own lease; nil means that the credential is no longer valid. Only the first call counts.
func (l *Lease) End(next *Caller) { l.end(next, errRevoked) }

// EndBecause ends the lease for good, for another reason than that the credential was
// revoked. The reason completes the sentence "... while the request ran".
func (l *Lease) EndBecause(reason error) { l.end(nil, reason) }

// Supersede ends the lease because the part of the configuration that vouched for the
// credential was changed or removed. The credential may be good by what has taken its
// place, so that running requests go on if it is. The reason is as that of
// [Lease.EndBecause].
func (l *Lease) Supersede(reason error) { l.end(nil, superseded{reason}) }

// superseded is the reason of a lease that ended by [Lease.Supersede].
type superseded struct{ error }

func (s superseded) Unwrap() error { return s.error }

func isSuperseded(err error) bool {
	_, ok := errors.AsType[superseded](err)
	return ok
}

func (l *Lease) end(next *Caller, reason error) {
	l.once.Do(func() {
		l.next.Store(next)
		l.cancel(reason)
		if l.stop != nil {
			l.stop()
		}
	})
}

// Ended reports whether the lease has ended.
func (l *Lease) Ended() bool { return l != nil && l.ctx.Err() != nil }

// why says why a lease that has ended without a next caller did so.
func (l *Lease) why() error { return context.Cause(l.ctx) }

// successor returns the caller that took the place of one whose lease has ended, as
// far as that is known; nil: the credential is no longer valid.
func (l *Lease) successor() *Caller { return l.next.Load() }

// OnEnd calls f in its own goroutine when the lease ends, or at once if it has
// ended, with the argument of End. It starts no goroutine until then. stop is as
// that of [context.AfterFunc].
func (l *Lease) OnEnd(f func(next *Caller)) (stop func() bool) {
	if l == nil {
		return func() bool { return true }
	}
	return context.AfterFunc(l.ctx, func() { f(l.next.Load()) })
}

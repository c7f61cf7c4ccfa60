package limit

import (
	"context"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
)

// Usage is what one request uses. A nil *Usage, and the zero value, use nothing.
// Its methods may be called from several goroutines, except for Done, which is the
// last one.
type Usage struct {
	limiter  *Limiter
	scopes   [kinds]*scope // nil: none
	occupied [kinds]bool
	stream   bool
	metered  bool      // bytes are limited
	inside   bool      // of the cluster's gate
	until    time.Time // when waiting for a turn is over; zero: it has not begun
}

// enter takes what the request needs to run. After a failure only Done may be
// called.
func (u *Usage) enter(ctx context.Context, now time.Time) *answer.Failure {
	for k, s := range &u.scopes {
		if s == nil {
			continue
		}
		if f := s.occupy(u.stream); f != nil {
			u.limiter.metrics.count(kind(k), u.resource())
			return f
		}
		u.occupied[k] = true
	}
	if f := u.spend(ctx, now); f != nil || u.stream {
		return f
	}
	wait := maxWait
	if !u.until.IsZero() {
		wait = time.Until(u.until)
	}
	inside, waited := u.scopes[ofCluster].gate.enter(ctx, u.scopes[ofCaller], wait)
	u.inside = inside
	if waited && u.until.IsZero() {
		u.until = now.Add(maxWait)
	}
	if !inside {
		u.unspend(kinds)
		return u.late(ctx, concurrent, u.scopes[ofCluster].busy)
	}
	return nil
}

// spend takes the request from all rates, or from none. It waits for that of the
// cluster.
func (u *Usage) spend(ctx context.Context, now time.Time) *answer.Failure {
	for k, s := range u.scopes[:ofCluster] {
		if s == nil {
			continue
		}
		if f := s.spend(now); f != nil {
			u.unspend(kind(k))
			u.limiter.metrics.count(kind(k), requests)
			return f
		}
	}
	cluster := u.scopes[ofCluster]
	over, waited := cluster.pace.enter(ctx, u.scopes[ofCaller], maxWait)
	if waited {
		u.until = now.Add(maxWait)
	}
	if over > 0 {
		u.unspend(ofCluster)
		return u.late(ctx, requests, func() *answer.Failure { return cluster.late(over) })
	}
	return nil
}

// unspend gives back what was taken from the rates before that of kind end.
func (u *Usage) unspend(end kind) {
	for _, s := range u.scopes[:end] {
		if s != nil {
			s.unspend()
		}
	}
}

// patience is how long the request may go on to wait before the gate.
func (u *Usage) patience() time.Duration {
	if u.until.IsZero() {
		u.until = time.Now().Add(maxWait)
	}
	return time.Until(u.until)
}

// late is the failure of a request that has waited in vain for something of the cluster,
// as over says it.
func (u *Usage) late(ctx context.Context, r resource, over func() *answer.Failure) *answer.Failure {
	if context.Cause(ctx) == context.Canceled { // as net/http says it
		return answer.Failf(answer.ClientGone, "the client went away while its request waited; nothing was executed")
	}
	u.limiter.metrics.count(ofCluster, r)
	return over()
}

// Again is called when the agents of the cluster have refused the request because they
// take no more of them. It waits for the request's turn, and reports whether it
// should be sent again.
func (u *Usage) Again(ctx context.Context) bool {
	if u == nil || u.limiter == nil {
		return false
	}
	wait := u.patience()
	if wait <= 0 {
		return false
	}
	u.inside = u.scopes[ofCluster].gate.again(ctx, u.scopes[ofCaller], u.inside, wait)
	if !u.inside {
		u.limiter.metrics.count(ofCluster, concurrent)
	}
	return u.inside
}

// Begun is called when the response has begun. A stream that had to wait no longer
// counts among the requests.
func (u *Usage) Begun() {
	if u != nil && u.stream {
		u.leave()
	}
}

func (u *Usage) leave() {
	if u.inside {
		u.inside = false
		u.scopes[ofCluster].gate.leave(u.scopes[ofCaller])
	}
}

func (u *Usage) resource() resource {
	if u.stream {
		return streams
	}
	return concurrent
}

// Done gives back what the request used. It is called once.
func (u *Usage) Done() {
	if u == nil || u.limiter == nil {
		return
	}
	u.leave()
	for k, s := range &u.scopes {
		if s != nil && u.occupied[k] {
			s.vacate(u.stream)
		}
	}
	l := u.limiter
	l.callers.unuse(u.scopes[ofCaller])
	l.clusters.unuse(u.scopes[ofCluster])
	if g := u.scopes[ofGrant]; g != nil {
		l.grants.unuse(g)
	}
}

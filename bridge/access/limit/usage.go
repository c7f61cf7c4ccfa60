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
	metered  bool        // bytes are limited
	inside   [kinds]bool // of the gate of the grant, and of that of the cluster
	until    time.Time   // when waiting for a turn is over; zero: it has not begun
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
	if f := u.spend(now); f != nil {
		return f
	}
	// What waits behind others of its grant is in no queue of a cluster.
	if f := u.turn(ctx, ofGrant, now); f != nil {
		u.unspend(ofCluster)
		return f
	}
	if f := u.pace(ctx, now); f != nil {
		u.unspend(ofCluster)
		return f
	}
	f := u.turn(ctx, ofCluster, now)
	if f != nil {
		u.unspend(kinds)
	}
	return f
}

// spend takes the request from the rates of its caller and grant, or from none.
func (u *Usage) spend(now time.Time) *answer.Failure {
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
	return nil
}

// pace takes the request from the rate of its cluster, for which it waits.
func (u *Usage) pace(ctx context.Context, now time.Time) *answer.Failure {
	cluster := u.scopes[ofCluster]
	over, waited := cluster.pace.enter(ctx, u.scopes[ofCaller], u.left())
	u.waited(waited, now)
	if over > 0 {
		return u.late(ctx, ofCluster, requests, func() *answer.Failure { return cluster.late(over) })
	}
	return nil
}

// turn waits for the request's turn among the concurrent ones of its grant or cluster.
func (u *Usage) turn(ctx context.Context, k kind, now time.Time) *answer.Failure {
	s := u.scopes[k]
	if s == nil || u.stream {
		return nil
	}
	inside, waited := s.gate.enter(ctx, u.scopes[ofCaller], u.left())
	u.inside[k] = inside
	u.waited(waited, now)
	if !inside {
		return u.late(ctx, k, concurrent, s.busy)
	}
	return nil
}

// left is how long the request may still wait for turns.
func (u *Usage) left() time.Duration {
	if u.until.IsZero() {
		return maxWait
	}
	return time.Until(u.until)
}

// waited notes that the request has begun to wait when it came.
func (u *Usage) waited(did bool, came time.Time) {
	if did && u.until.IsZero() {
		u.until = came.Add(maxWait)
	}
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

// late is the failure of a request that has waited in vain for something of its grant or
// cluster, as over says it.
func (u *Usage) late(ctx context.Context, k kind, r resource, over func() *answer.Failure) *answer.Failure {
	if context.Cause(ctx) == context.Canceled { // as net/http says it
		return answer.Failf(answer.ClientGone, "the client went away while its request waited; nothing was executed")
	}
	u.limiter.metrics.count(k, r)
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
	inside := u.scopes[ofCluster].gate.again(ctx, u.scopes[ofCaller], u.inside[ofCluster], wait)
	u.inside[ofCluster] = inside
	if !inside {
		u.limiter.metrics.count(ofCluster, concurrent)
	}
	return inside
}

// Begun is called when the response has begun. A stream that had to wait no longer
// counts among the requests.
func (u *Usage) Begun() {
	if u != nil && u.stream {
		u.leave(ofCluster)
	}
}

func (u *Usage) leave(k kind) {
	if u.inside[k] {
		u.inside[k] = false
		u.scopes[k].gate.leave(u.scopes[ofCaller])
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
	u.leave(ofCluster)
	u.leave(ofGrant)
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

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
}

// enter takes what the request needs to run. After a failure only Done may be
// called.
func (u *Usage) enter(_ context.Context, now time.Time) *answer.Failure {
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
	for k, s := range &u.scopes {
		if s == nil {
			continue
		}
		f := s.spend(now)
		if f == nil {
			continue
		}
		for _, before := range u.scopes[:k] {
			if before != nil {
				before.unspend()
			}
		}
		u.limiter.metrics.count(kind(k), requests)
		return f
	}
	return nil
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

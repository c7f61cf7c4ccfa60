package tenant

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

// reachRetry is the pause after the broker has refused the bridge for every
// tenant.
const reachRetry = 2 * time.Second

// progress is the progress of [Pool.Reach].
type progress struct {
	reached atomic.Bool           // a broker has accepted the bridge for a tenant
	problem atomic.Pointer[error] // why none has yet; nil: not known
}

func (p *progress) note(tenant string, err error) {
	err = fmt.Errorf("tenant %s: %w", tenant, err)
	p.problem.Store(&err)
}

// Reach connects one tenant after another until a broker has accepted the bridge for
// one of them, so that a wrong key, CA or URL shows before the first request. It
// returns then, or when ctx ends. It must be called once; [Pool.Ready] reports its
// progress.
func (p *Pool) Reach(ctx context.Context) {
	for ctx.Err() == nil {
		for _, name := range p.Names() {
			if p.reach(ctx, name) {
				p.progress.reached.Store(true)
				return
			}
			if ctx.Err() != nil {
				return
			}
		}
		select {
		case <-time.After(reachRetry):
		case <-ctx.Done():
		}
	}
}

// reach reports whether a broker accepts the bridge for the tenant. While no broker
// can be reached it keeps trying, since other tenants have the same brokers.
func (p *Pool) reach(ctx context.Context, tenant string) bool {
	c, err := p.conn(tenant)
	if err != nil {
		p.progress.note(tenant, err)
		return false
	}
	defer c.Release()
	for {
		st, changed := c.status.get()
		switch {
		case st.up:
			return true
		case st.retired != nil:
			return false // the tenant was removed, or its account has changed
		case st.refusal != nil:
			p.progress.note(tenant, told("the broker refuses this bridge", st.refusal))
			return false
		case st.broken != nil:
			p.progress.note(tenant, st.broken)
			return false
		case st.failure != nil:
			p.progress.note(tenant, told("no connection to a broker", st.failure))
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// told says why the bridge is not ready, with the cause and what to do.
func told(what string, err error) error {
	if f := cause.Of(err); f != nil {
		return fmt.Errorf("%s: %s", what, f.Full())
	}
	return fmt.Errorf("%s: %w", what, err)
}

// Ready returns nil once a broker has accepted the bridge for a tenant, and ever
// after: a bridge that answers "no broker" is better than no bridge. Until then it
// returns why the bridge is not ready. A bridge without tenants is ready.
func (p *Pool) Ready() error {
	if p.progress.reached.Load() || len(p.Names()) == 0 {
		return nil
	}
	if err := p.progress.problem.Load(); err != nil {
		return *err
	}
	return errors.New("not connected to a broker yet")
}

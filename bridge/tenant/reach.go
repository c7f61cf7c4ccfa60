package tenant

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fairlead-io/fairlead/bridge/directory"
)

const (
	// reachLook is how often a connection that is being made is looked at.
	reachLook = 250 * time.Millisecond
	// reachAgain is the pause after the broker has refused the bridge for every
	// tenant.
	reachAgain = 2 * time.Second
)

// Reach connects one tenant after another until a broker has taken the bridge
// for one of them, so that a wrong key, CA or URL shows before anybody needs the
// bridge. It returns then, or when ctx ends. It must be called once; [Pool.Ready]
// tells how far it is.
func (p *Pool) Reach(ctx context.Context) {
	for ctx.Err() == nil {
		for _, name := range p.Names() {
			if p.reach(ctx, name) {
				p.reached.Store(true)
				return
			}
			if ctx.Err() != nil {
				return
			}
		}
		select {
		case <-time.After(reachAgain):
		case <-ctx.Done():
		}
	}
}

// reach reports whether a broker takes the bridge for the tenant. While no
// broker can be reached it goes on trying: other tenants would fare no better.
func (p *Pool) reach(ctx context.Context, name string) bool {
	c, err := p.Acquire(ctx, name)
	if err != nil {
		p.noteUnreached(name, err)
		return false
	}
	defer c.Release()
	for {
		err := c.Directory().Settle(ctx, time.Now().Add(reachLook))
		if err == nil {
			return true
		}
		if refusal := c.Refusal(); refusal != nil {
			p.noteUnreached(name, fmt.Errorf("the broker refuses this bridge: %w", refusal))
			return false
		}
		if _, down := errors.AsType[*directory.UnavailableError](err); !down {
			return false // ctx has ended, or the tenant's account has changed
		}
		if failure := c.failure.Load(); failure != nil {
			p.noteUnreached(name, fmt.Errorf("no connection to a broker: %w", *failure))
		}
	}
}

func (p *Pool) noteUnreached(tenant string, err error) {
	err = fmt.Errorf("tenant %s: %w", tenant, err)
	p.unreached.Store(&err)
}

// Ready is nil once a broker has taken the bridge for a tenant, and stays so: a
// bridge without brokers says so to its callers better than nobody would. Until
// then it says what is in the way. Without tenants nothing is.
func (p *Pool) Ready() error {
	if p.reached.Load() || len(p.cfg.Tenants()) == 0 {
		return nil
	}
	if err := p.unreached.Load(); err != nil {
		return *err
	}
	return errors.New("not connected to a broker yet")
}

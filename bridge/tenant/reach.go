package tenant

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fairlead-io/fairlead/bridge/internal/sleep"
	"github.com/fairlead-io/fairlead/subjects/cause"
)

// reachRetry is the pause after the broker has refused the bridge for every
// tenant.
const reachRetry = 2 * time.Second

// progress is the progress of [Pool.Reach].
type progress struct {
	reached atomic.Bool             // a broker has accepted the bridge for a tenant
	problem atomic.Pointer[problem] // why none has yet; nil: not known
}

// problem is why a tenant's connection is not there.
type problem struct {
	err  error
	conn *Conn // nil: there was no attempt
}

func (p *progress) note(tenant string, c *Conn, err error) {
	p.problem.Store(&problem{fmt.Errorf("tenant %s: %w", tenant, err), c})
}

// now is the problem at this moment.
func (p *problem) now() error {
	if p.conn != nil && p.conn.redialer != nil {
		if until := p.conn.redialer.Until(); !until.IsZero() {
			return fmt.Errorf("%w; the next attempt is at %s", p.err, until.UTC().Format(time.RFC3339))
		}
	}
	return p.err
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
		sleep.For(ctx, reachRetry)
	}
}

// reach reports whether a broker accepts the bridge for the tenant. While no broker
// can be reached it keeps trying, since other tenants have the same brokers.
func (p *Pool) reach(ctx context.Context, tenant string) bool {
	c, err := p.conn(tenant)
	if err != nil {
		p.progress.note(tenant, nil, err)
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
			p.progress.note(tenant, c, told("the broker refuses this bridge", st.refusal))
			return false
		case st.broken != nil:
			p.progress.note(tenant, c, st.broken)
			return false
		case st.failure != nil:
			p.progress.note(tenant, c, told("no connection to a broker", st.failure))
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
	if problem := p.progress.problem.Load(); problem != nil {
		return problem.now()
	}
	return errors.New("not connected to a broker yet")
}

// Disconnected returns why open connections are down that the broker does not refuse, one
// reason for those that share it, as "tenant acme and 3 more: ..."; "" if none is. It is
// what a bridge that is ready has to tell.
func (p *Pool) Disconnected() string {
	tenants := make(map[string][]string) // by reason
	p.Each(func(c *Conn) {
		st, _ := c.status.get()
		if st.up || st.refusal != nil || st.failure == nil {
			return
		}
		why := (&problem{told("no connection to a broker", st.failure), c}).now().Error()
		tenants[why] = append(tenants[why], c.tenant)
	})
	var all []string
	for why, names := range tenants {
		slices.Sort(names)
		text := "tenant " + names[0]
		if n := len(names) - 1; n > 0 {
			text += fmt.Sprintf(" and %d more", n)
		}
		all = append(all, text+": "+why)
	}
	slices.Sort(all)
	return strings.Join(all[:min(len(all), maxReasons)], "; ")
}

// maxReasons bounds what Disconnected returns.
const maxReasons = 3

package fleet

import (
	"context"
	"sync"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/bridge/tunnel"
)

// minPatience is how long clusters that are reconnecting are waited for at least: as long
// as the directory waits for the first word of a cluster.
const minPatience = 250 * time.Millisecond

// patience bounds the wait for clusters that were lost a moment ago. They may come back
// while others answer. When only they are left, they may make the call take two fifths
// longer, and no more: a tenth of the fleet that has just lost its network shall not
// decide when the rest is done. It is safe for concurrent use.
type patience struct {
	ctx   context.Context // ends when nothing is waited for any more
	over  context.CancelFunc
	begun time.Time

	mu    sync.Mutex
	busy  int         // clusters that are neither waited for nor done
	timer *time.Timer // runs while busy is 0; nil: it never has
}

// newPatience returns that of a call of so many clusters. over must be called.
func newPatience(ctx context.Context, clusters int) *patience {
	p := &patience{begun: time.Now(), busy: clusters}
	p.ctx, p.over = context.WithCancel(ctx)
	return p
}

// add counts clusters that become busy, or that no longer are.
func (p *patience) add(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy += n
	switch {
	case p.busy > 0:
		if p.timer != nil {
			p.timer.Stop()
		}
	case p.timer == nil:
		p.timer = time.AfterFunc(p.left(), p.over)
	default:
		p.timer.Reset(p.left())
	}
}

func (p *patience) left() time.Duration { return max(minPatience, time.Since(p.begun)*2/5) }

// end stops everything.
func (p *patience) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer != nil {
		p.timer.Stop()
	}
	p.over()
}

// await waits for a cluster that the visitor may know of as any request would, but without
// a slot: for the connection of its tenant, for one that is reconnecting, and for the
// first word of one that was never heard. Each has a bound of seconds (package directory).
// Why it has not come its request finds out again, and at once; only for one that is
// reconnecting it would wait, so that this has a failure here.
func (c *run) await(t target) *answer.Failure {
	if visible, f := c.visitor.Visible(c.open, t.ref); f != nil || !visible {
		return nil
	}
	conn, err := c.s.Tenants.Acquire(c.open, t.ref.Tenant)
	if err != nil {
		return nil
	}
	defer conn.Release()
	c.patience.add(-1)
	defer c.patience.add(1)
	var a directory.Attempt
	for _, ctx := range []context.Context{c.patience.ctx, c.open} {
		in, err := conn.Directory().Pick(ctx, t.ref.Cluster, &a)
		if err == nil {
			in.Release()
			return nil
		}
		if ctx.Err() == nil || c.open.Err() != nil {
			return nil
		}
		if now := conn.Directory().Cluster(t.ref.Cluster); now.State == directory.Reconnecting {
			return tunnel.Explain(c.open, t.name, conn, &directory.UnavailableError{State: now.State, Since: now.LastSeen})
		}
	}
	return nil
}

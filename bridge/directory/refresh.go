package directory

import (
	"context"
	"time"
)

// freshFor is how long what was heard of a cluster is taken for its state
// without asking, and how long one question serves all who ask: callers that
// poll cause two a second at most.
const freshFor = 500 * time.Millisecond

// Refresh asks a cluster that is held for connected how it is, unless it was
// heard a moment ago, and waits until an instance answers or the broker says
// that there is none. Both take a round trip; after [Config].FirstContact, or
// when ctx ends, what is known has to do.
func (d *Directory) Refresh(ctx context.Context, clusterName string) {
	now := time.Now()
	d.mu.Lock()
	c := d.lookup(clusterName, now)
	if c == nil || !d.linkUp || now.Sub(c.heard) < freshFor || now.Sub(c.refreshed) < freshFor {
		d.mu.Unlock()
		return
	}
	if s, _ := d.state(c, now); s != Connected {
		d.mu.Unlock()
		return
	}
	c.refreshed = now
	answered := waitOn(&c.wake)
	d.mu.Unlock()

	if d.cfg.Query(clusterName) != nil {
		return // nobody will answer
	}
	timer := time.NewTimer(d.cfg.FirstContact)
	defer timer.Stop()
	select {
	case <-answered:
	case <-timer.C:
	case <-ctx.Done():
	}
}

package directory

import (
	"context"
	"time"
)

// freshFor is how long a cluster's last presence counts as its state without a
// query, and how long one query serves all callers: callers that poll cause at most
// two queries a second.
const freshFor = 500 * time.Millisecond

// Refresh queries a cluster that is presumed connected, unless it was heard a moment
// ago. It waits until an instance answers or the broker says that there is none,
// either of which takes a round trip. After [Config].FirstContact, or when ctx ends, it
// gives up and leaves the state as it was.
func (d *Directory) Refresh(ctx context.Context, clusterName string) {
	now := time.Now()
	d.mu.Lock()
	c := d.lookup(clusterName, now)
	if c == nil || !d.link.up() || now.Sub(c.heard) < freshFor || now.Sub(c.refreshed) < freshFor {
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
		return // there will be no answer
	}
	timer := time.NewTimer(d.cfg.FirstContact)
	defer timer.Stop()
	select {
	case <-answered:
	case <-timer.C:
	case <-ctx.Done():
	}
}

package tenant

import (
	"maps"
	"slices"
	"time"
)

// janitor follows the list of tenants, closes idle connections and renews users. It
// is for one goroutine, except for the fields of the pool that Pool.mu guards.
type janitor struct {
	pool *Pool
	seen map[*Conn]time.Time // when each was last found to be in use
}

func newJanitor(p *Pool) *janitor {
	return &janitor{pool: p, seen: make(map[*Conn]time.Time)}
}

func (j *janitor) run() {
	follow := time.NewTicker(followInterval)
	defer follow.Stop()
	sweep := time.NewTicker(j.sweepInterval())
	defer sweep.Stop()
	for {
		select {
		case <-follow.C:
			j.pool.follow(j.pool.cfg.Tenants())
		case <-sweep.C:
			j.sweep(time.Now())
		case <-j.pool.done:
			return
		}
	}
}

// sweepInterval is the time between two sweeps. A sweep may find up to one interval
// late that a connection is unused, and close it up to one interval late. With an
// interval of a quarter of Idle, the connection is closed within one and a half times
// Idle.
func (j *janitor) sweepInterval() time.Duration {
	return min(j.pool.cfg.Idle/4, j.pool.cfg.UserTTL/8)
}

// follow applies a list: requests of removed tenants, changed accounts and removed
// clusters end, all others continue. Only the janitor calls it and so writes
// Pool.list.
func (p *Pool) follow(list List) {
	if maps.EqualFunc(p.list, list, Entry.equal) {
		return // without the lock, for which requests would wait
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.list = list
	for tenant, a := range p.accounts {
		entry, listed := list[tenant]
		switch {
		case !listed:
			p.cfg.Logger.Info("tenant removed from the list; its requests end", "tenant", tenant)
			p.remove(tenant, ErrUnknown)
		case entry.Account != a.key:
			p.cfg.Logger.Info("the tenant's account has changed; requests to the old one end", "tenant", tenant,
				"old", a.key, "new", entry.Account)
			p.remove(tenant, ErrReplaced)
		default:
			a.setClusters(entry.Clusters)
		}
	}
}

// equal reports whether e and f say the same. An empty list of clusters, which
// makes every name unknown, differs from no list.
func (e Entry) equal(f Entry) bool {
	return e.Account == f.Account && (e.Clusters == nil) == (f.Clusters == nil) && slices.Equal(e.Clusters, f.Clusters)
}

// setClusters changes the list of clusters. Pool.mu is held.
func (a *account) setClusters(clusters []string) {
	removed := a.dir.SetClusters(clusters)
	if !a.conn.isOpen() {
		return // and so has no streams
	}
	for _, cluster := range removed {
		a.conn.endStreams(cluster)
	}
}

// sweep closes connections that no one has used for [Config].Idle, and renews
// users that are due.
func (j *janitor) sweep(now time.Time) {
	p := j.pool
	var renew []*Conn
	seen := make(map[*Conn]time.Time, len(j.seen))
	p.mu.Lock()
	for _, a := range p.accounts {
		c := a.conn
		if c == nil {
			continue
		}
		last, known := j.seen[c]
		if c.inUse() || !known {
			last = now
		}
		if now.Sub(last) >= p.cfg.Idle {
			p.disconnect(a)
			continue
		}
		seen[c] = last
		if c.due(now, p.cfg.UserTTL) {
			renew = append(renew, c)
		}
	}
	p.mu.Unlock()
	j.seen = seen
	for _, c := range renew {
		c.renew()
	}
}

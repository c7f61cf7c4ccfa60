package settings

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/bridge/tenant"
)

const (
	// tick is how often the agents of clusters that have settings are looked at, and
	// pause how soon after that a change is.
	tick  = 500 * time.Millisecond
	pause = 20 * time.Millisecond
	// spread is within what time bridges send what another one has taken.
	spread = time.Second
	// urgency is how long the bridge that took a change may take to send it before it is
	// one of them.
	urgency = 2 * time.Second
	// firstResend and lastResend are when a message is sent again that was not echoed;
	// each pause is twice as long as the one before.
	firstResend = 5 * time.Second
	lastResend  = time.Minute
	// maxSends bounds the messages of a tick: 1,000 a second of up to 4 KiB.
	maxSends = 500
	// maxOpening bounds the connections that are opened at a time for the sake of settings.
	maxOpening = 64
)

func (d *Desk) deliver(ctx context.Context) {
	timer := time.NewTimer(tick)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.woken:
			timer.Reset(pause)
			continue
		case <-timer.C:
		}
		d.tick(time.Now())
		timer.Reset(tick)
	}
}

// tick looks at all clusters that have settings, and sends what is due. Nothing in it
// waits.
func (d *Desk) tick(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	conns, opening, sends := map[string]*tenant.Conn{}, 0, 0
	defer func() {
		for _, c := range conns {
			if c != nil {
				c.Release()
			}
		}
	}()
	d.metrics.begin(len(d.clusters))
	for ref, c := range d.clusters {
		conn, tried := conns[ref.Tenant]
		if !tried {
			if opening < maxOpening {
				var err error
				if conn, err = d.cfg.Tenants.TryAcquire(ref.Tenant); errors.Is(err, tenant.ErrOpening) {
					opening++
				}
			}
			conns[ref.Tenant] = conn
		}
		if conn == nil {
			continue
		}
		var heard bool
		d.told, heard = conn.Directory().AppendSettings(d.told[:0], ref.Cluster)
		if !heard || !d.look(c, now) || sends >= maxSends {
			continue
		}
		if conn.SendSettings(ref.Cluster, c.doc.message) == nil { // otherwise with the next tick
			sends++
			c.due = now.Add(min(firstResend<<c.tries, lastResend))
			c.tries = min(c.tries+1, 8)
		}
	}
	d.metrics.end(sends)
}

// look notes how the instances in told stand to a cluster's document, and reports whether
// it is to be sent now. The caller holds mu.
func (d *Desk) look(c *cluster, now time.Time) (send bool) {
	d.next = d.next[:0]
	behind, fresh, ahead := false, false, false
	for i := range d.told {
		in := &d.told[i]
		s := seen{instance: in.Name, state: stateOf(c.doc, in)}
		was := c.was(in.Name)
		if s.state == api.SettingsPending && !in.Leaving {
			ahead = ahead || c.isAhead(in)
			s.behind = d.behind(c, in)
			behind, fresh = behind || s.behind, fresh || s.behind && !was.behind
		}
		if was.state == api.SettingsPending && s.state != was.state {
			d.tell(c.doc, in, s.state)
		}
		d.metrics.count(s.state)
		d.next = append(d.next, s)
	}
	c.seen = append(c.seen[:0], d.next...)
	if !ahead {
		c.trust = 0
	}
	if fresh {
		c.tries = 0
		if c.due = now; now.After(c.urgent) {
			c.due = now.Add(rand.N(spread))
		}
	}
	return behind && !c.due.After(now)
}

// was is how an instance was last seen; the zero value if it was not.
func (c *cluster) was(instance string) seen {
	for i := range c.seen {
		if c.seen[i].instance == instance {
			return c.seen[i]
		}
	}
	return seen{}
}

// isAhead reports whether an instance has, as it says, a newer document.
func (c *cluster) isAhead(in *directory.InstanceSettings) bool {
	return seqOf(in.State.Revision) > c.doc.seq
}

// behind reports whether the revision of an instance is one to replace. An instance that is
// ahead says that this bridge is behind, unless the store still has no newer document
// afterwards: it was restored, or the instance is wrong. The caller holds mu.
func (d *Desk) behind(c *cluster, in *directory.InstanceSettings) bool {
	if !c.isAhead(in) {
		return true
	}
	if c.trust == 0 {
		c.trust = d.reads + 2 // a read that began before may be under way
	}
	return d.reads >= c.trust
}

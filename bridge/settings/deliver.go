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
	// tick is how often it is looked at clusters that have settings and whose agents, or
	// settings, are other than they were, or have not told that they use them; pause is how
	// soon after that a change is.
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

// tick looks at the clusters that may have changed, and sends what is due. Nothing in it
// waits.
func (d *Desk) tick(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	opening, sends, kept := 0, 0, 0
	var states counts
	for name, t := range d.tenants {
		kept += len(t.clusters)
		if opening >= maxOpening {
			continue
		}
		conn, err := d.cfg.Tenants.TryAcquire(name)
		if errors.Is(err, tenant.ErrOpening) {
			opening++
		}
		if err != nil {
			t.unfollow()
			continue
		}
		t.follow(conn.Directory(), conn)
		n, heard := d.work(t, conn.Directory(), now, maxSends-sends)
		conn.Release()
		if sends += n; heard {
			states.add(&t.states)
		}
	}
	d.metrics.set(kept, sends, &states)
}

// work looks at the clusters of a tenant that are due, and sends at most that many messages.
// heard is false if nothing is known of instances now.
func (d *Desk) work(t *tenantDesk, dir *directory.Directory, now time.Time, most int) (sends int, heard bool) {
	d.names = t.news.AppendTo(d.names[:0])
	d.names = t.audit(d.names)
	for _, name := range d.names {
		if t.clusters[name] != nil {
			t.due[name] = struct{}{}
		}
	}
	if !dir.Hears() {
		return 0, false
	}
	for name := range t.due {
		c := t.clusters[name]
		if d.told, heard = dir.AppendSettings(d.told[:0], name); !heard {
			return sends, false
		}
		if d.look(t, c, now) && sends < most {
			if t.conn.SendSettings(name, c.doc.message) == nil { // otherwise with the next tick
				sends++
				c.due = now.Add(min(firstResend<<c.tries, lastResend))
				c.tries = min(c.tries+1, 8)
			}
		}
		if !c.open {
			delete(t.due, name)
		}
	}
	return sends, true
}

// look notes how the instances in told stand to a cluster's document, and reports whether
// it is to be sent now. The caller holds mu.
func (d *Desk) look(t *tenantDesk, c *cluster, now time.Time) (send bool) {
	d.next = d.next[:0]
	behind, fresh, ahead := false, false, false
	c.open = false
	for i := range d.told {
		in := &d.told[i]
		s := seen{instance: in.Name, state: stateOf(c.doc, in)}
		was := c.was(in.Name)
		if s.state == api.SettingsPending && !in.Leaving {
			c.open = true
			ahead = ahead || c.isAhead(in)
			s.behind = d.behind(c, in)
			behind, fresh = behind || s.behind, fresh || s.behind && !was.behind
		}
		if was.state == api.SettingsPending && s.state != was.state {
			d.tell(c.doc, in, s.state)
		}
		d.next = append(d.next, s)
	}
	t.states.count(c.seen, -1)
	t.states.count(d.next, 1)
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

package directory

import (
	"slices"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

// Peers can fill a directory only up to these bounds. Filled with the longest names
// and versions, it takes less than 128 MiB.
const (
	// maxUnheard bounds the names that were asked for and never heard.
	maxUnheard = 1024
	// maxHeard bounds the clusters that were heard. An owner of the tenant's
	// signing key can mint as many as they like; accounts are made for 20,000
	// connections.
	maxHeard = 32 << 10
	// maxInstances bounds the instances of one cluster: an agent's credential
	// lets it announce as many as it likes.
	maxInstances = 64
	// maxAllInstances bounds the instances of all clusters together: two for
	// each cluster.
	maxAllInstances = 2 * maxHeard
	// maxOptional bounds the labels, settings and details of all instances together, in
	// bytes: what 20,000 clusters say that have a few labels each is half as much. Over it
	// an instance is known without them.
	maxOptional = 32 << 20
	// sweepInterval is the time between two searches for what can be forgotten,
	// which are work in proportion to the number of clusters (a few
	// milliseconds for 20,000); minSweep is the least time between two where a
	// bound is reached.
	sweepInterval = time.Minute
	minSweep      = time.Second
)

// lookup returns the cluster, nil if it is not known or has expired. The caller
// holds mu.
func (d *Directory) lookup(name string, now time.Time) *cluster {
	c := d.clusters[name]
	if c != nil && d.expired(c, now) {
		d.forget(c)
		return nil
	}
	return c
}

// expired reports whether c has been offline for so long that it is presumed
// removed. The caller holds mu.
func (d *Directory) expired(c *cluster, now time.Time) bool {
	if d.listed.Load() != nil || c.heard.IsZero() || now.Sub(c.heard) < d.cfg.ForgetAfter {
		return false
	}
	// After an outage of the link every agent has one interval to announce itself.
	return d.link.up() && now.Sub(d.link.since) >= subjects.HeartbeatInterval && !c.busy()
}

// busy reports whether streams are open on an instance of c.
func (c *cluster) busy() bool {
	return slices.ContainsFunc(c.instances, func(i *Instance) bool { return i.streams.Load() > 0 })
}

// forget drops c; requests that wait for it look again. The caller holds mu.
func (d *Directory) forget(c *cluster) {
	delete(d.clusters, c.name)
	d.names = nil
	for _, in := range c.instances {
		d.drop(in)
	}
	if c.heard.IsZero() {
		d.unheard--
	}
	wake(&c.wake)
}

// sweep forgets expired clusters, and instances that are gone. The caller holds
// mu.
func (d *Directory) sweep(now time.Time) {
	d.swept = now
	for _, c := range d.clusters {
		if d.expired(c, now) {
			d.forget(c)
		} else {
			d.forgetGone(c, now)
		}
	}
}

// roomForCluster reports whether one more cluster may be added. If there are too
// many, it forgets the clusters that have been offline longest, an eighth of all at a
// time. The caller holds mu.
func (d *Directory) roomForCluster(now time.Time) bool {
	full := func() bool { return len(d.clusters)-d.unheard >= maxHeard }
	if !full() {
		return true
	}
	if now.Sub(d.swept) < minSweep {
		return false
	}
	d.sweep(now)
	var offline []*cluster
	for _, c := range d.clusters {
		if s, _ := d.state(c, now); s == Offline && !c.busy() {
			offline = append(offline, c)
		}
	}
	slices.SortFunc(offline, func(a, b *cluster) int { return a.heard.Compare(b.heard) })
	for _, c := range offline[:min(len(offline), maxHeard/8)] {
		d.forget(c)
	}
	return !full()
}

// roomForInstance reports whether c may have one more instance. If c has too many,
// it forgets the one that has been silent longest, unless all have open streams. If
// the tenant has too many, it forgets only instances that are gone. The caller holds
// mu.
func (d *Directory) roomForInstance(c *cluster, now time.Time) bool {
	d.forgetGone(c, now)
	if len(c.instances) >= maxInstances {
		oldest := -1
		for i, in := range c.instances {
			if in.streams.Load() == 0 && (oldest < 0 || in.heard.Before(c.instances[oldest].heard)) {
				oldest = i
			}
		}
		if oldest < 0 {
			return false
		}
		d.drop(c.instances[oldest])
		c.instances = slices.Delete(c.instances, oldest, oldest+1)
	}
	if d.instances >= maxAllInstances && now.Sub(d.swept) >= minSweep {
		d.sweep(now)
	}
	return d.instances < maxAllInstances
}

// keep keeps an instance's presence, without its optional parts if there is no room for
// them. The caller holds mu.
func (d *Directory) keep(in *Instance, p *subjects.Presence) {
	in.presence = *p
	d.optional -= in.optional
	if in.optional = optionalSize(p); d.optional+in.optional > maxOptional {
		in.optional = 0
		in.presence.Labels, in.presence.Settings, in.presence.Detail = nil, nil, nil
	}
	d.optional += in.optional
}

// drop takes an instance that is being forgotten out of the sums. The caller holds mu.
func (d *Directory) drop(in *Instance) {
	d.instances--
	d.optional -= in.optional
}

// optionalSize is about what the optional parts of a presence take in memory.
func optionalSize(p *subjects.Presence) int {
	const entry, part = 64, 256 // of a map; the fields of one without their texts
	n := 0
	for k, v := range p.Labels {
		n += len(k) + len(v) + entry
	}
	if s := p.Settings; s != nil {
		n += part + len(s.Revision) + len(s.Refused) + len(s.Error)
		for _, f := range slices.Concat(s.Accepts, s.Overridden) {
			n += len(f) + entry
		}
	}
	if d := p.Detail; d != nil {
		n += part + len(d.Pod) + len(d.Node) + len(d.Platform) + len(d.Broker)
	}
	return n
}

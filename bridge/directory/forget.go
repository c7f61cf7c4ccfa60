package directory

import (
	"slices"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

// lookup returns the cluster, nil where nothing is known of it, or no more. The
// caller holds mu.
func (d *Directory) lookup(name string, now time.Time) *cluster {
	c := d.clusters[name]
	if c != nil && d.expired(c, now) {
		d.forget(c)
		return nil
	}
	return c
}

// expired reports whether c has been offline for so long that it is taken for
// removed. The caller holds mu.
func (d *Directory) expired(c *cluster, now time.Time) bool {
	// Who could not hear for a while gives everybody time to speak up.
	listening := d.linkUp && now.Sub(d.linkAt) >= subjects.HeartbeatInterval
	return listening && d.cfg.Clusters == nil && !c.heard.IsZero() && now.Sub(c.heard) >= d.cfg.ForgetAfter
}

// forget drops c; who waits for it looks again. The caller holds mu.
func (d *Directory) forget(c *cluster) {
	delete(d.clusters, c.name)
	if c.heard.IsZero() {
		d.unheard--
	}
	wake(&c.wake)
}

// roomForHeard reports whether one more cluster may be heard. Where there are
// too many, an eighth of the room is made among those offline, the longest
// first. The caller holds mu.
func (d *Directory) roomForHeard(now time.Time) bool {
	n := len(d.clusters) - d.unheard
	if n < maxHeard {
		return true
	}
	if now.Sub(d.swept) < minSweep {
		return false
	}
	d.swept = now
	var offline []*cluster
	for _, c := range d.clusters {
		if s, _ := d.state(c, now); s == Offline {
			offline = append(offline, c)
		}
	}
	slices.SortFunc(offline, func(a, b *cluster) int { return a.heard.Compare(b.heard) })
	for _, c := range offline[:min(len(offline), maxHeard/8)] {
		d.forget(c)
	}
	return len(offline) > 0
}

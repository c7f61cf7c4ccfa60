package directory

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

// Instance is one agent instance. A picked one must be released.
type Instance struct {
	dir     *Directory
	name    string
	streams atomic.Int32 // picked and not yet released

	// Guarded by dir.mu.
	presence subjects.Presence
	heard    time.Time
	lost     time.Time // found to be gone before it was silent for long; zero: it was not
}

// Name is the instance's name.
func (i *Instance) Name() string { return i.name }

// Release gives back what [Directory.Pick] took. It must be called once.
func (i *Instance) Release() { i.streams.Add(-1) }

// Lost notes that the instance does not answer. It is picked again once it has
// been heard again.
func (i *Instance) Lost() {
	i.dir.mu.Lock()
	defer i.dir.mu.Unlock()
	i.lose(time.Now())
}

// lose is Lost. The caller holds dir.mu.
func (i *Instance) lose(now time.Time) {
	if i.lost.IsZero() {
		i.lost = now
	}
}

// gone reports whether in takes no more requests, and when at the latest it
// vanished: when its next sign of life was due, or when it was found to be lost
// before that. The caller holds mu.
func (d *Directory) gone(in *Instance, now time.Time) (bool, time.Time) {
	if in.presence.State == subjects.PresenceBye {
		return true, in.heard
	}
	heard := in.heard
	if d.link.since.After(heard) {
		heard = d.link.since // until then nothing could be heard
	}
	due := heard.Add(min(subjects.HeartbeatInterval, d.cfg.PeerTimeout))
	if lost := in.lost; !lost.IsZero() {
		if d.link.since.After(lost) {
			lost = d.link.since // nor could its return
		}
		if lost.After(due) {
			lost = due
		}
		return true, lost
	}
	return d.link.up() && now.Sub(heard) >= d.cfg.PeerTimeout, due
}

// forgetGone drops the instances of c that have been gone for longer than the
// grace, and notes which others are gone. Instances with open streams stay: if
// one comes back it still has those streams. The caller holds mu.
func (d *Directory) forgetGone(c *cluster, now time.Time) {
	before := len(c.instances)
	c.instances = slices.DeleteFunc(c.instances, func(i *Instance) bool {
		gone, at := d.gone(i, now)
		if gone {
			i.lose(at)
		}
		return gone && now.Sub(at) >= d.cfg.ReconnectGrace && i.streams.Load() == 0
	})
	d.instances -= before - len(c.instances)
}

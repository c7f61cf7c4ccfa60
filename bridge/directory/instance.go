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
	optional int // bytes of presence's optional parts, about
	heard    time.Time
	checked  time.Time // when Silent last returned it to be asked
	looks    int       // of Silent since then without an answer; 0: nothing is asked
	answers  bool      // it answered in time when it was last asked
	mute     bool      // lost is of Mute: an answer is enough to bring it back
	lost     time.Time // when it was found to be gone, other than by its silence; zero: it was not
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

// gone reports whether in is gone, and the latest time at which it can have vanished:
// when its next heartbeat was due or, if earlier, when it was found to be lost. The
// caller holds mu.
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
			lost = d.link.since // nor could it be heard to return
		}
		if lost.After(due) {
			lost = due
		}
		return true, lost
	}
	return d.link.up() && now.Sub(heard) >= d.cfg.PeerTimeout, due
}

// forgetGone drops the instances of c that have been gone for longer than the
// grace, and marks the others that are gone as lost. Instances with open streams
// stay, since one that returns still has those streams. The caller holds mu.
func (d *Directory) forgetGone(c *cluster, now time.Time) {
	c.instances = slices.DeleteFunc(c.instances, func(i *Instance) bool {
		gone, at := d.gone(i, now)
		if gone {
			i.lose(at)
		}
		if !gone || now.Sub(at) < d.cfg.ReconnectGrace || i.streams.Load() > 0 {
			return false
		}
		d.drop(i)
		return true
	})
}

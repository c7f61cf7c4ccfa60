package directory

import "time"

const (
	// settleTime is how long after the link came up no instance counts as silent.
	settleTime = time.Second
	// answerWithin is how long an instance that is asked has to answer: several round trips
	// of a slow path, and a pause of its process.
	answerWithin = 1900 * time.Millisecond
	// answerLooks is how many times it must have been found without an answer: what a bridge
	// that stood still itself has not read yet may be one.
	answerLooks = 4
)

// Silence is an instance that has not been heard for a while.
type Silence struct{ Cluster, Instance string }

// Silent returns the instances that are presumed connected, and that were neither heard nor
// asked within the given time: the broker knows at once whether they are still there, and
// they answer if they work. Each counts as asked once [Directory.Asked] says so. mute are those
// that were asked and have not answered in time, though they did the last time; see
// [Directory.Mute]. No one is silent while the link is down, and for a moment after it came
// up, since instances that were at the same broker node come back like it. It is to be
// called every half a second, by one goroutine.
func (d *Directory) Silent(long time.Duration) (ask, mute []Silence) {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.link.up() || now.Sub(d.link.since) < settleTime {
		return nil, nil
	}
	for name, c := range d.clusters {
		for _, in := range c.instances {
			if gone, _ := d.gone(in, now); gone {
				continue
			}
			if in.looks > 0 && !in.checked.After(d.link.since) {
				in.looks = 0 // the question or its answer may be lost
			}
			if in.looks > 0 {
				in.looks++
			}
			switch {
			case in.answers && in.looks > answerLooks && now.Sub(in.checked) >= answerWithin:
				mute = append(mute, Silence{name, in.name})
			case now.Sub(in.heard) >= long && now.Sub(in.checked) >= long:
				in.checked, in.looks = now, 0
				ask = append(ask, Silence{name, in.name})
			}
		}
	}
	return ask, mute
}

// Asked says that an instance which Silent returned is asked now: it has time to answer from now
// on.
func (d *Directory) Asked(s Silence) {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if in := d.find(s.Cluster, s.Instance); in != nil {
		in.checked, in.looks = now, 1
	}
}

// Unasked says that instances which Silent returned could not be asked: that they do not
// answer means nothing, and Silent returns them again.
func (d *Directory) Unasked(all ...Silence) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range all {
		if in := d.find(s.Cluster, s.Instance); in != nil {
			in.checked, in.looks = time.Time{}, 0
		}
	}
}

// Answered says that an instance which was asked has answered. It does not count as heard:
// that is what it announces. One that was mute is picked again.
func (d *Directory) Answered(cluster, instance string) {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	in := d.find(cluster, instance)
	if in == nil || in.looks == 0 { // it was not asked
		return
	}
	// Of one that is always late, silence is no sign.
	in.looks, in.answers = 0, now.Sub(in.checked) < answerWithin
	if in.mute {
		in.mute, in.lost = false, time.Time{}
		d.tell(cluster)
		wake(&d.clusters[cluster].wake)
	}
}

// Mute says that nothing at all was heard of an instance that was asked: it hangs, or its
// network was cut without a word. It counts as lost until it is heard again.
func (d *Directory) Mute(s Silence) {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	in := d.find(s.Cluster, s.Instance)
	if in == nil || in.looks == 0 || !in.lost.IsZero() { // it has answered meanwhile, or is gone
		return
	}
	in.lose(now)
	in.mute = true
}

// find returns an instance, nil if there is none. The caller holds mu.
func (d *Directory) find(cluster, instance string) *Instance {
	c := d.clusters[cluster]
	if c == nil {
		return nil
	}
	for _, in := range c.instances {
		if in.name == instance {
			return in
		}
	}
	return nil
}

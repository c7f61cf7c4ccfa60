package directory

import (
	"maps"
	"slices"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

// Follower says what has changed in a directory since it was last asked. It is for one
// goroutine, and costs nothing while it is not asked.
type Follower struct {
	dir   *Directory
	known map[string]mark
}

// mark is what a follower remembers of a cluster that it has told of.
type mark struct {
	state State
	alive int    // instances that are not gone
	news  uint64 // cluster.news
}

// Follow returns a follower that has told of nothing yet.
func (d *Directory) Follow() *Follower {
	return &Follower{dir: d, known: make(map[string]mark)}
}

// Changes returns the clusters whose state, or of which an instance or its presence, is
// another than when Changes was last called, and the names of those that were forgotten.
// That only time has passed counts too: an instance is presumed dead, or the grace is
// over. What presences merely count, such as streams, is not a change. The clusters are in
// no order. A call is work in proportion to the number of clusters (about 0.2 µs each).
func (f *Follower) Changes() (changed []Cluster, forgotten []string) {
	d, now := f.dir, time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed != nil {
		return nil, nil
	}
	up := d.link.up()
	for name, c := range d.clusters {
		if c.heard.IsZero() || d.expired(c, now) {
			continue
		}
		m := mark{state: Disconnected, news: c.news, alive: d.alive(c, now)}
		if up {
			m.state, _ = d.state(c, now)
		}
		if before, told := f.known[name]; !told || before != m {
			f.known[name] = m
			changed = append(changed, d.snapshot(c, now, nil))
		}
	}
	for name := range f.known {
		if c := d.clusters[name]; c == nil || c.heard.IsZero() || d.expired(c, now) {
			delete(f.known, name)
			forgotten = append(forgotten, name)
		}
	}
	return changed, forgotten
}

// alive counts the instances of c that are not gone. The caller holds mu.
func (d *Directory) alive(c *cluster, now time.Time) int {
	n := 0
	for _, in := range c.instances {
		if gone, _ := d.gone(in, now); !gone {
			n++
		}
	}
	return n
}

// isNews reports whether an instance's presence says more than that it is still there:
// what followers are told of.
func isNews(before, now *subjects.Presence) bool {
	return before.State != now.State || before.Reachable != now.Reachable || before.Protocol != now.Protocol ||
		before.Version != now.Version || before.Kubernetes != now.Kubernetes || !before.Started.Equal(now.Started) ||
		!sameCause(before.LastCause, now.LastCause) || !sameSettings(before.Settings, now.Settings) ||
		!maps.Equal(before.Labels, now.Labels) || !sameDetail(before.Detail, now.Detail)
}

// sameDetail leaves out what an instance counts and measures.
func sameDetail(a, b *subjects.Detail) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Pod == b.Pod && a.Node == b.Node && a.Platform == b.Platform && a.Broker == b.Broker &&
		sameTime(a.Connected, b.Connected) && sameTime(a.Expires, b.Expires)
}

func sameTime(a, b *time.Time) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Equal(*b)
}

func sameCause(a, b *subjects.LastCause) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Hop == b.Hop && a.Cause == b.Cause && a.Text == b.Text && a.At.Equal(b.At)
}

func sameSettings(a, b *subjects.SettingsState) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Revision == b.Revision && a.Refused == b.Refused && a.Error == b.Error &&
		slices.Equal(a.Accepts, b.Accepts) && slices.Equal(a.Overridden, b.Overridden)
}

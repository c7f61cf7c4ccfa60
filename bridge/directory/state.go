package directory

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

// State is the state of a cluster, as a directory knows it.
type State string

// The states. Only a cluster that is [Connected] takes requests.
const (
	Connected State = "connected"
	// Draining: all instances are shutting down.
	Draining State = "draining"
	// Incompatible: no instance supports a protocol version that this bridge
	// supports.
	Incompatible State = "incompatible"
	// Reconnecting: the last instance vanished without a goodbye a moment ago.
	Reconnecting State = "reconnecting"
	// Offline: it was connected and no longer is.
	Offline State = "offline"
	// NeverConnected: not heard since this bridge began to listen to the tenant.
	NeverConnected State = "never-connected"
	// Unknown: not in the configured list of the tenant's clusters.
	Unknown State = "unknown"
	// Disconnected: the bridge's own link to the broker is down.
	Disconnected State = "disconnected"
)

// UnavailableError says why there is no instance for a cluster.
type UnavailableError struct {
	State State
	// Since is when the cluster was last heard, the zero time if it never was. For
	// [Disconnected] it is when the link was lost, or when its first opening began.
	Since time.Time
}

func (e *UnavailableError) Error() string {
	if e.Since.IsZero() {
		return fmt.Sprintf("cluster is %s", e.State)
	}
	return fmt.Sprintf("cluster is %s, since %s", e.State, e.Since.UTC().Format(time.RFC3339))
}

// Cluster is a snapshot of a cluster's state.
type Cluster struct {
	Name  string
	State State
	// LastSeen is when any instance was last heard; zero: never.
	LastSeen  time.Time
	Instances []InstanceInfo // by name
	// Recalled: LastSeen is of [Directory.Recall], and no instance was heard since.
	Recalled bool
	// Parted are instances that said goodbye lately.
	Parted []string
}

// InstanceInfo is a snapshot of an agent instance that is not gone.
type InstanceInfo struct {
	Name     string
	Presence subjects.Presence
	LastSeen time.Time
	// Streams is how many streams this bridge has open on it.
	Streams int
}

// Recall notes when a cluster was last heard that this directory has not heard since: by
// another bridge, or before this one was started. One that is to be forgotten by now, or is
// not in the list, is ignored.
func (d *Directory) Recall(name string, heard time.Time) {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if heard.After(now) { // by another clock
		heard = now
	}
	if d.closed != nil || heard.IsZero() || !d.Listed(name) || d.listed.Load() == nil && now.Sub(heard) >= d.cfg.ForgetAfter {
		return
	}
	c := d.lookup(name, now)
	if c != nil && !c.heard.Before(heard) {
		return
	}
	if c == nil || c.heard.IsZero() {
		if !d.roomForCluster(now) {
			return
		}
		c = d.entry(name, now)
		d.unheard--
	}
	c.heard, c.recalled = heard, true
}

// Cluster returns the state of one cluster.
func (d *Directory) Cluster(name string) Cluster {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.Listed(name) {
		return Cluster{Name: name, State: Unknown}
	}
	if c := d.lookup(name, now); c != nil {
		return d.snapshot(c, now, nil)
	}
	return Cluster{Name: name, State: d.unheardState()}
}

// unheardState is the state of a cluster that was never heard, which says
// nothing about the cluster while the link is down. The caller holds mu.
func (d *Directory) unheardState() State {
	if !d.link.up() {
		return Disconnected
	}
	return NeverConnected
}

// Connected counts the clusters that take requests.
func (d *Directory) Connected() int {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	if !d.link.up() {
		return 0
	}
	for _, c := range d.clusters {
		if s, _ := d.state(c, now); s == Connected {
			n++
		}
	}
	return n
}

// snapshot is the state of c; its instances are in room, where they find some. The caller
// holds mu.
func (d *Directory) snapshot(c *cluster, now time.Time, room []InstanceInfo) Cluster {
	s := Cluster{Name: c.name, State: Disconnected, LastSeen: c.heard, Recalled: c.recalled, Instances: room[:0]}
	if d.link.up() {
		s.State, _ = d.state(c, now)
	}
	for _, in := range c.instances {
		if gone, _ := d.gone(in, now); !gone {
			s.Instances = append(s.Instances, InstanceInfo{
				Name: in.name, Presence: in.presence, LastSeen: in.heard, Streams: int(in.streams.Load()),
			})
		} else if in.presence.State == subjects.PresenceBye {
			s.Parted = append(s.Parted, in.name)
		}
	}
	slices.SortFunc(s.Instances, func(a, b InstanceInfo) int { return strings.Compare(a.Name, b.Name) })
	return s
}

// state returns the state of c and, for [Reconnecting], when its last instance
// vanished. The caller holds mu.
func (d *Directory) state(c *cluster, now time.Time) (State, time.Time) {
	if c.heard.IsZero() {
		return NeverConnected, time.Time{}
	}
	best, lostAt := Offline, time.Time{}
	for _, in := range c.instances {
		if gone, at := d.gone(in, now); gone {
			if in.presence.State != subjects.PresenceBye && at.After(lostAt) {
				lostAt = at
			}
			continue
		}
		switch {
		case !in.presence.Compatible():
			if best == Offline {
				best = Incompatible
			}
		case in.presence.State == subjects.PresenceUp:
			return Connected, time.Time{}
		default:
			best = Draining
		}
	}
	if best == Offline && !lostAt.IsZero() && now.Sub(lostAt) < d.cfg.ReconnectGrace {
		return Reconnecting, lostAt
	}
	return best, time.Time{}
}

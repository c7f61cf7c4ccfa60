package directory

import (
	"slices"
	"sync"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

// Config configures a [Directory]. The zero value of each field is its
// documented default.
type Config struct {
	// Query asks all instances of a cluster for their presence. It must not
	// block. Nil asks nobody.
	Query func(cluster string) error
	// Clusters, if not nil, is the complete list of the tenant's clusters: any
	// other name is unknown. Nil: every name may yet connect.
	Clusters []string
	// PeerTimeout is the silence after which an instance is held for gone.
	// Default subjects.PeerTimeout.
	PeerTimeout time.Duration
	// ReconnectGrace is how long new requests are held for a cluster whose last
	// instance vanished without goodbye, counted from when that was noticed or,
	// if earlier, from when it should next have been heard; and for the
	// bridge's own link. Default 4 s; negative: not at all.
	ReconnectGrace time.Duration
	// FirstContact is how long the first request for a cluster not heard of
	// waits for an answer to the query. Default 250 ms.
	FirstContact time.Duration
	// ForgetAfter is how long a cluster that is offline stays in the list: one
	// that was removed for good must not stay for ever. The configured
	// Clusters are never forgotten. Default 24 h.
	ForgetAfter time.Duration
}

const (
	// defaultGrace covers what agents need to come back to another broker node,
	// with room, and lets a cluster whose credential was revoked be offline
	// within 5 s of it.
	defaultGrace        = 4 * time.Second
	defaultFirstContact = 250 * time.Millisecond
	// maxInstances bounds the instances remembered of one cluster; an agent's
	// credential lets it announce as many as it likes.
	maxInstances = 64
	// maxUnheard bounds the names that were asked for and never heard.
	maxUnheard = 1024
	// maxHeard bounds the clusters that were heard, of which an owner of the
	// tenant's signing key can mint as many as he likes. Accounts are made for
	// 20,000 connections.
	maxHeard = 32 << 10
	// minSweep is the least time between two looks for what can be forgotten,
	// which is work in proportion to the number of clusters, where peers ask
	// for it.
	minSweep = time.Second
)

// DefaultForgetAfter is [Config].ForgetAfter's default.
const DefaultForgetAfter = 24 * time.Hour

// Directory is what a bridge knows of one tenant's clusters. All methods may
// be called concurrently.
type Directory struct {
	cfg Config

	mu       sync.Mutex // guards all below, and every cluster and instance
	clusters map[string]*cluster
	unheard  int       // clusters that were never heard
	swept    time.Time // when room was last made among those heard
	linkUp   bool
	refused  bool          // the link is down, and will not be up in a moment
	linkAt   time.Time     // when linkUp last changed
	linkWake chan struct{} // closed when the link comes up; nil: nobody waits
}

type cluster struct {
	name      string
	instances []*Instance
	heard     time.Time // last presence of any instance, zero: never
	// The first and the last query since the link came up, zero: none.
	firstAsked, asked time.Time
	refreshed         time.Time     // when its state was last asked for
	wake              chan struct{} // closed at the next presence; nil: nobody waits
}

// New returns an empty directory whose link is up.
func New(cfg Config) *Directory {
	if cfg.PeerTimeout <= 0 {
		cfg.PeerTimeout = subjects.PeerTimeout
	}
	if cfg.ReconnectGrace == 0 {
		cfg.ReconnectGrace = defaultGrace
	}
	if cfg.FirstContact <= 0 {
		cfg.FirstContact = defaultFirstContact
	}
	if cfg.ForgetAfter <= 0 {
		cfg.ForgetAfter = DefaultForgetAfter
	}
	if cfg.Query == nil {
		cfg.Query = func(string) error { return nil }
	}
	d := &Directory{cfg: cfg, clusters: make(map[string]*cluster), linkUp: true, linkAt: time.Now()}
	return d
}

// Presence takes what an instance announced. Names are DNS labels, as
// natslink hands them over.
func (d *Directory) Presence(clusterName, instance string, p *subjects.Presence) {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.known(clusterName) {
		return
	}
	c := d.lookup(clusterName, now)
	if c == nil || c.heard.IsZero() {
		if !d.roomForHeard(now) {
			return // every one of them is connected
		}
		c = d.entry(clusterName, now)
		d.unheard--
	}
	c.heard = now
	i := slices.IndexFunc(c.instances, func(i *Instance) bool { return i.name == instance })
	if i < 0 {
		if p.State == subjects.PresenceBye {
			return // nothing to forget
		}
		d.prune(c, now)
		c.instances = append(c.instances, &Instance{dir: d, cluster: c, name: instance})
		i = len(c.instances) - 1
	}
	in := c.instances[i]
	in.presence, in.heard, in.lost = *p, now, time.Time{}
	wake(&c.wake)
}

// Absent notes that the broker says that nobody listens for the instance, or,
// if it is "", for any of the cluster. Each is picked again when it is next heard.
func (d *Directory) Absent(clusterName, instance string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.clusters[clusterName]
	if c == nil {
		return
	}
	for _, in := range c.instances {
		if instance == "" || in.name == instance {
			in.lose(time.Now())
		}
	}
	if instance == "" {
		wake(&c.wake) // who asked has the answer
	}
}

// settle forgets the instances of c that nobody waits for any more, and notes
// which others are gone. The caller holds mu.
func (d *Directory) settle(c *cluster, now time.Time) {
	c.instances = slices.DeleteFunc(c.instances, func(i *Instance) bool {
		gone, at := d.gone(i, now)
		if gone {
			i.lose(at)
		}
		return gone && now.Sub(at) >= max(d.cfg.ReconnectGrace, 0)
	})
}

// prune makes room for one more instance: those gone for longer than the
// grace are forgotten, and the longest silent one where there are too many.
// The caller holds mu.
func (d *Directory) prune(c *cluster, now time.Time) {
	d.settle(c, now)
	if len(c.instances) < maxInstances {
		return
	}
	oldest := 0
	for i, in := range c.instances {
		if in.heard.Before(c.instances[oldest].heard) {
			oldest = i
		}
	}
	c.instances = slices.Delete(c.instances, oldest, oldest+1)
}

// Link tells whether the bridge's own link is up.
func (d *Directory) Link(up bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.linkUp == up {
		return
	}
	now := time.Now()
	if !up {
		// Who is gone by now stays so; the new link's own silence counts for
		// the others alone.
		for _, c := range d.clusters {
			d.settle(c, now)
		}
	}
	d.linkUp, d.linkAt, d.refused = up, now, false
	if !up {
		return
	}
	// What was announced meanwhile was missed: ask anew.
	for _, c := range d.clusters {
		c.firstAsked, c.asked = time.Time{}, time.Time{}
	}
	wake(&d.linkWake)
}

// Refused says that the link is down because the broker refuses the bridge:
// requests wait for it no longer, until it is up.
func (d *Directory) Refused() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.linkUp {
		d.refused = true
		wake(&d.linkWake)
	}
}

// entry returns the cluster, which it makes where it is missing. The caller
// holds mu.
func (d *Directory) entry(name string, now time.Time) *cluster {
	c := d.lookup(name, now)
	if c != nil {
		return c
	}
	if d.unheard >= maxUnheard {
		for _, c := range d.clusters {
			if c.heard.IsZero() { // who waits for it learns that it never connected
				d.forget(c)
				break
			}
		}
	}
	c = &cluster{name: name}
	d.clusters[name] = c
	d.unheard++
	return c
}

// gone reports whether in takes nothing any more, and when it vanished at the
// latest: when its next sign of life was due, or when it was found to be lost
// before that. The caller holds mu.
func (d *Directory) gone(in *Instance, now time.Time) (bool, time.Time) {
	if in.presence.State == subjects.PresenceBye {
		return true, in.heard
	}
	heard := in.heard
	if d.linkAt.After(heard) {
		heard = d.linkAt // until then nothing could be heard
	}
	due := heard.Add(min(subjects.HeartbeatInterval, d.cfg.PeerTimeout))
	if lost := in.lost; !lost.IsZero() {
		if d.linkAt.After(lost) {
			lost = d.linkAt // nor could its return
		}
		if lost.After(due) {
			lost = due
		}
		return true, lost
	}
	return d.linkUp && now.Sub(heard) >= d.cfg.PeerTimeout, due
}

func wake(c *chan struct{}) {
	if *c != nil {
		close(*c)
		*c = nil
	}
}

func waitOn(c *chan struct{}) <-chan struct{} {
	if *c == nil {
		*c = make(chan struct{})
	}
	return *c
}

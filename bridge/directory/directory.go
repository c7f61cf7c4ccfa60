package directory

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

// Directory is what a bridge knows of one tenant's clusters. All methods may
// be called concurrently.
type Directory struct {
	cfg Config
	// listed is the complete list of the tenant's clusters; nil: there is none.
	listed atomic.Pointer[map[string]bool]

	mu        sync.Mutex // guards all below, and every cluster and instance
	clusters  map[string]*cluster
	names     []string  // see inOrder; nil: a name came or went since
	unheard   int       // clusters that were never heard
	instances int       // of all clusters together
	optional  int       // bytes of the optional parts of their presences, about
	swept     time.Time // when sweep last ran
	link      link
	closed    error // what Close was given; nil: not closed
	news      map[*News]struct{}
}

type cluster struct {
	name      string
	instances []*Instance
	heard     time.Time // last presence of any instance, zero: never
	recalled  bool      // heard is of Recall
	news      uint64    // grows when an instance says, or has, something new: see [Follower]
	// expected: the cluster had instances when the last connection was closed, and
	// neither the cluster nor the broker has answered since.
	expected bool
	// The first and the last query since the link came up, zero: none.
	firstAsked, asked time.Time
	refreshed         time.Time     // when its state was last asked for
	wake              chan struct{} // closed at the next presence; nil: no one waits
}

// New returns an empty directory whose link is up.
func New(cfg Config) *Directory {
	now := time.Now()
	d := &Directory{
		cfg: cfg.withDefaults(), clusters: make(map[string]*cluster), swept: now,
		link: link{state: linkUp, since: now},
	}
	d.SetClusters(cfg.Clusters)
	return d
}

// SetClusters replaces the complete list of the tenant's clusters; nil: every
// name may connect. It returns the clusters that were heard and are no longer
// in the list, which are forgotten: their streams are the caller's to end.
// Requests that wait for one of them learn that it is unknown. Nothing changes
// for the other clusters.
func (d *Directory) SetClusters(names []string) (removed []string) {
	var listed *map[string]bool
	if names != nil {
		set := make(map[string]bool, len(names))
		for _, n := range names {
			set[n] = true
		}
		listed = &set
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.listed.Store(listed)
	d.names = nil
	for name, c := range d.clusters {
		if d.Listed(name) {
			continue
		}
		if !c.heard.IsZero() {
			removed = append(removed, name)
		}
		d.forget(c)
	}
	return removed
}

// Listed reports whether name may be a cluster of the tenant.
func (d *Directory) Listed(name string) bool {
	l := d.listed.Load()
	return l == nil || (*l)[name]
}

// Presence handles the presence that an instance announced. Names are DNS labels, as
// natslink passes them.
func (d *Directory) Presence(clusterName, instance string, p *subjects.Presence) {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed != nil || !d.Listed(clusterName) {
		return
	}
	if now.Sub(d.swept) >= sweepInterval {
		d.sweep(now)
	}
	c := d.lookup(clusterName, now)
	if c == nil || c.heard.IsZero() {
		if !d.roomForCluster(now) {
			return // every one of them is connected
		}
		c = d.entry(clusterName, now)
		d.unheard--
	}
	c.heard, c.recalled, c.expected = now, false, false
	i := slices.IndexFunc(c.instances, func(i *Instance) bool { return i.name == instance })
	if i < 0 {
		if p.State == subjects.PresenceBye {
			return // it was not known
		}
		if !d.roomForInstance(c, now) {
			return
		}
		c.instances = append(c.instances, &Instance{dir: d, name: instance})
		d.instances++
		i = len(c.instances) - 1
	}
	in := c.instances[i]
	fresh := isNews(&in.presence, p)
	if fresh {
		c.news++
	}
	if gone, _ := d.gone(in, now); fresh || gone {
		d.tell(clusterName)
	}
	d.keep(in, p)
	in.heard, in.lost, in.mute, in.looks = now, time.Time{}, false, 0
	wake(&c.wake)
}

// Absent notes that the instance has no subscribers, according to the broker; if
// instance is "", no instance of the cluster has any. An instance is picked again
// once it has been heard again.
func (d *Directory) Absent(clusterName, instance string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.clusters[clusterName]
	if c == nil {
		return
	}
	for _, in := range c.instances {
		if instance == "" || in.name == instance {
			in.mute = false
			in.lose(time.Now())
		}
	}
	if instance == "" {
		c.expected = false
		wake(&c.wake) // a query has its answer
	}
}

// entry returns the cluster, and adds it if it is missing. The caller holds mu.
func (d *Directory) entry(name string, now time.Time) *cluster {
	c := d.lookup(name, now)
	if c != nil {
		return c
	}
	if d.unheard >= maxUnheard {
		for _, c := range d.clusters {
			if c.heard.IsZero() { // requests that wait for it learn that it never connected
				d.forget(c)
				break
			}
		}
	}
	c = &cluster{name: name}
	d.clusters[name] = c
	d.names = nil
	d.unheard++
	return c
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

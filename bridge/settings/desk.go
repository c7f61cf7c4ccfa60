package settings

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/bridge/events"
	"github.com/fairlead-io/fairlead/bridge/store/kv"
	"github.com/fairlead-io/fairlead/bridge/tenant"
	"github.com/fairlead-io/fairlead/subjects"
)

// watchRetry is the pause before the store is watched again, where that was not possible.
const watchRetry = 5 * time.Second

// Config configures a [Desk]. Bucket and Tenants are needed.
type Config struct {
	// Bucket has the settings of all clusters.
	Bucket *kv.Bucket
	// Tenants are the connections by which agents are heard and sent to.
	Tenants *tenant.Pool
	// Events, if not nil, gets what becomes of settings.
	Events events.Log
	// Logger gets what cannot be used. Default: discard.
	Logger *slog.Logger
}

// Desk has the settings of all clusters, and delivers them. It is safe for concurrent use.
type Desk struct {
	cfg     Config
	log     *slog.Logger
	metrics *metrics
	woken   chan struct{} // there is something to deliver

	mu      sync.Mutex             // guards the rest
	tenants map[string]*tenantDesk // those of which there are documents
	reads   uint64                 // how often the store was read to its end
	failed  error                  // why it could not be the last time; nil: it could
	names   []string
	told    []directory.InstanceSettings
	next    []seen
}

// cluster is what is known of the delivery of a document.
type cluster struct {
	doc *stored
	// urgent is until when this bridge sends it at once; zero: another took the change.
	urgent time.Time
	due    time.Time // when it is sent next
	tries  int       // how often it was sent since an instance was found to be behind
	trust  uint64    // of Desk.reads, from which on an instance that is ahead is wrong; 0: none is
	seen   []seen
	open   bool // an instance has not told that it uses or refuses it
}

// seen is what was last seen of an instance.
type seen struct {
	instance string
	state    state
	behind   bool // it was to be sent the document
}

// NewDesk returns a desk that knows nothing until [Desk.Run] runs.
func NewDesk(cfg Config) *Desk {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Desk{
		cfg: cfg, log: cfg.Logger.With("part", "settings"), metrics: newMetrics(), woken: make(chan struct{}, 1),
		tenants: map[string]*tenantDesk{}, failed: errNotRead,
	}
}

// Run delivers settings until ctx ends. It is called once, and returns nil.
func (d *Desk) Run(ctx context.Context) error {
	var watching sync.WaitGroup
	watching.Go(func() { d.watch(ctx) })
	d.deliver(ctx)
	watching.Wait()
	d.reset()
	return nil
}

func (d *Desk) watch(ctx context.Context) {
	again := time.NewTimer(0)
	defer again.Stop()
	for {
		select {
		case <-again.C:
		case <-ctx.Done():
			return
		}
		err := d.cfg.Bucket.Watch(ctx, "", kv.Watcher{Put: d.put, Reset: d.reset, Known: d.known})
		if err != nil {
			d.known(err)
		}
		again.Reset(watchRetry)
	}
}

// put takes an entry of the bucket over.
func (d *Desk) put(e kv.Entry) {
	doc, err := read(e)
	if err != nil {
		d.log.Warn("settings in the bridges' shared store cannot be used", "key", e.Key, "error", err)
		if doc == nil {
			return
		}
	}
	d.take(doc, err == nil, time.Time{})
}

// take has a document delivered, unless a newer one is known. One that cannot be used
// takes the place of an earlier one too.
func (d *Desk) take(doc *stored, usable bool, urgent time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.tenants[doc.ref.Tenant]
	if t == nil {
		t = newTenantDesk()
		d.tenants[doc.ref.Tenant] = t
	}
	if c := t.clusters[doc.ref.Cluster]; c != nil && c.doc.seq >= doc.seq {
		return
	}
	t.remove(doc.ref.Cluster)
	if !usable {
		d.prune(doc.ref.Tenant, t)
		return
	}
	t.clusters[doc.ref.Cluster] = &cluster{doc: doc, urgent: urgent}
	t.due[doc.ref.Cluster] = struct{}{}
	select {
	case d.woken <- struct{}{}:
	default:
	}
}

func (d *Desk) reset() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, t := range d.tenants {
		t.unfollow()
	}
	clear(d.tenants)
}

func (d *Desk) known(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failed = err; err == nil {
		d.reads++
	}
}

// all returns the settings of all clusters, by tenant and cluster, and why they may not be
// those that the store has; nil: they are.
func (d *Desk) all() ([]*stored, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []*stored
	for _, t := range d.tenants {
		for _, c := range t.clusters {
			if !c.doc.Deleted {
				list = append(list, c.doc)
			}
		}
	}
	slices.SortFunc(list, func(a, b *stored) int { return compare(a.ref, b.ref) })
	return list, d.failed
}

func compare(a, b subjects.ClusterRef) int {
	return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Cluster, b.Cluster))
}

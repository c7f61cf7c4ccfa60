package operations

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/bridge/internal/sleep"
	"github.com/fairlead-io/fairlead/bridge/tenant"
	"github.com/fairlead-io/fairlead/subjects"
)

const (
	// maxWorkers bounds the clusters that a bridge works for at a time, those among them
	// that it waits for: when all clusters come back at once, their API servers, the
	// brokers and the store get no more than this from each bridge.
	maxWorkers = 64
	// patience is how long a worker waits for its lease. It is longer than it takes to
	// take over that of a bridge that has died; after that another bridge is at work.
	patience = 25 * time.Second
	// holdTenant is how long a connection is held before it is asked for again: its
	// tenant may have another account by now.
	holdTenant = 10 * time.Second
	// Pauses after a cluster's operation could not be executed yet; each is twice the one
	// before.
	minPause = time.Second
	maxPause = time.Minute
)

// dispatcher decides for which clusters this bridge works.
type dispatcher struct {
	s   *Service
	ctx context.Context // of Run

	mu      sync.Mutex
	workers map[subjects.ClusterRef]*worker
	tenants map[string]*directory.Directory // of tenants with operations; nil: not connected
	paused  map[subjects.ClusterRef]pause
	due     map[subjects.ClusterRef]due
	ended   sync.WaitGroup
}

// pause is until when a cluster is left alone.
type pause struct {
	until time.Time
	last  time.Duration
}

// due is the first operation of a cluster that is online, and since when it is both.
type due struct {
	id    string
	since time.Time
}

func (d *dispatcher) init(s *Service) {
	d.s = s
	d.workers = map[subjects.ClusterRef]*worker{}
	d.tenants = map[string]*directory.Directory{}
	d.paused = map[subjects.ClusterRef]pause{}
	d.due = map[subjects.ClusterRef]due{}
}

// run works until ctx ends, and waits for what was begun.
func (d *dispatcher) run(ctx context.Context) {
	d.ctx = ctx
	defer d.ended.Wait()
	look := time.NewTicker(lookInterval)
	defer look.Stop()
	for {
		d.look(time.Now())
		select {
		case <-ctx.Done():
			return
		case <-d.s.kick:
		case <-look.C:
		}
	}
}

// look starts workers for clusters that are online and have operations, and stops those
// that have nothing to wait for. It looks at memory alone.
func (d *dispatcher) look(now time.Time) {
	waiting := d.s.index.waiting()
	d.mu.Lock()
	defer d.mu.Unlock()
	online := map[subjects.ClusterRef]bool{}
	for _, ref := range waiting {
		online[ref] = d.online(ref)
	}
	for ref := range d.due {
		if !online[ref] {
			delete(d.due, ref)
		}
	}
	for ref := range d.paused {
		if _, open := online[ref]; !open {
			delete(d.paused, ref)
		}
	}
	for ref, w := range d.workers {
		if !w.held && (!online[ref] || now.Sub(w.since) > patience) {
			w.stop()
		}
	}
	for _, ref := range waiting {
		if online[ref] {
			d.begin(ref, now)
		}
	}
}

// begin starts a worker, unless the cluster has one or is left alone. The caller holds mu.
func (d *dispatcher) begin(ref subjects.ClusterRef, now time.Time) {
	head := d.s.index.head(ref)
	if head == nil {
		return
	}
	if d.due[ref].id != head.id {
		d.due[ref] = due{head.id, now}
	}
	if d.workers[ref] != nil || len(d.workers) >= maxWorkers || now.Before(d.paused[ref].until) || d.ctx.Err() != nil {
		return
	}
	ctx, stop := context.WithCancel(d.ctx)
	w := &worker{Service: d.s, ref: ref, since: now, stop: stop, log: d.s.log.With(refOf(ref))}
	d.workers[ref] = w
	d.ended.Go(func() {
		defer stop()
		w.run(ctx)
		d.mu.Lock()
		delete(d.workers, ref)
		if !w.held { // another bridge was at work
			d.paused[ref] = pause{until: time.Now().Add(patience)}
		}
		d.mu.Unlock()
		d.s.wake()
	})
}

// hold notes that a worker has its lease.
func (d *dispatcher) hold(w *worker) {
	d.mu.Lock()
	defer d.mu.Unlock()
	w.held = true
}

// rest leaves a cluster alone for longer each time.
func (d *dispatcher) rest(ref subjects.ClusterRef) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.paused[ref]
	p.last = min(max(2*p.last, minPause), maxPause)
	p.until = time.Now().Add(p.last)
	d.paused[ref] = p
}

// progress ends a pause.
func (d *dispatcher) progress(ref subjects.ClusterRef) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.paused, ref)
}

// stalled is since when the operation of an online cluster waits that has waited longest;
// zero: none does.
func (d *dispatcher) stalled() (since time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, one := range d.due {
		if since.IsZero() || one.since.Before(since) {
			since = one.since
		}
	}
	return since
}

// online reports whether a cluster takes requests, as far as its tenant is listened to;
// it makes that begin. The caller holds mu.
func (d *dispatcher) online(ref subjects.ClusterRef) bool {
	entry, listed := d.s.Tenants.Entry(ref.Tenant)
	if !listed || entry.Clusters != nil && !slices.Contains(entry.Clusters, ref.Cluster) || d.ctx.Err() != nil {
		return false
	}
	dir, listening := d.tenants[ref.Tenant]
	if !listening {
		d.tenants[ref.Tenant] = nil
		d.ended.Go(func() { d.listen(ref.Tenant) })
		return false
	}
	return dir != nil && dir.Cluster(ref.Cluster).State == directory.Connected
}

// listen holds the connection of a tenant for as long as operations wait for its
// clusters, so that its agents are heard.
func (d *dispatcher) listen(name string) {
	for d.ctx.Err() == nil && d.wanted(name) {
		conn, err := d.s.Tenants.Acquire(d.ctx, name)
		d.connected(name, conn)
		if errors.Is(err, tenant.ErrUnknown) {
			break
		}
		sleep.For(d.ctx, holdTenant)
		if err == nil {
			conn.Release()
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.tenants, name)
}

func (d *dispatcher) connected(name string, conn *tenant.Conn) {
	d.mu.Lock()
	d.tenants[name] = nil
	if conn != nil {
		d.tenants[name] = conn.Directory()
	}
	d.mu.Unlock()
	d.s.wake()
}

// wanted reports whether operations wait for a cluster of a tenant.
func (d *dispatcher) wanted(name string) bool {
	return slices.ContainsFunc(d.s.index.waiting(), func(ref subjects.ClusterRef) bool { return ref.Tenant == name })
}

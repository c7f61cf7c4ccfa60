package operations

import (
	"slices"
	"sync"
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/store/kv"
	"github.com/fairlead-io/fairlead/subjects"
)

// keptFor is how long the bucket keeps an operation after its last change, and the index
// with it.
const keptFor = 30 * 24 * time.Hour

// entry is what a bridge keeps in memory of an operation: not its body.
type entry struct {
	ref      subjects.ClusterRef
	id       string
	revision uint64
	position uint64 // in the queue
	state    api.OperationState
	by       who
	created  time.Time
	expires  time.Time
	changed  time.Time // by the brokers' clocks
	bytes    int64
	// seen says that it came with all before it: see index.head.
	seen bool
}

// index knows all operations of the bucket. It is safe for concurrent use.
type index struct {
	mu      sync.Mutex
	ready   bool // all was read that the bucket had
	err     error
	all     map[subjects.ClusterRef]map[string]*entry
	open    map[subjects.ClusterRef]map[string]*entry // those of all that have not ended
	tenants map[string]*share
	pending map[subjects.ClusterRef]map[string]*pending // operations that are being created
}

// share is what a tenant has of the bucket, with what is being created.
type share struct {
	open  int
	bytes int64
}

func (x *index) clear() {
	x.ready = false
	x.all = map[subjects.ClusterRef]map[string]*entry{}
	x.open = map[subjects.ClusterRef]map[string]*entry{}
	x.tenants = map[string]*share{}
	x.pending = map[subjects.ClusterRef]map[string]*pending{}
}

func newIndex() *index {
	x := &index{}
	x.clear()
	return x
}

// reset forgets everything: the bucket is another one.
func (x *index) reset() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.clear()
}

// known notes how a read of the bucket went.
func (x *index) known(err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.err = err
	x.ready = x.ready || err == nil
}

// status says whether all operations are known, and why the last read failed.
func (x *index) status() (ready bool, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.ready, x.err
}

// entryOf makes the entry of a value.
func entryOf(e *kv.Entry, v *value) *entry {
	position := v.Position
	if position == 0 {
		position = e.Revision
	}
	return &entry{
		ref: v.ref(), id: v.ID, revision: e.Revision, position: position, state: v.State, by: v.Caller.who(),
		created: v.Created, expires: v.Expires, changed: e.Time, bytes: sizeOf(len(e.Key), len(e.Value)),
	}
}

// put notes a value. Seen says that it came with all values before it. It reports whether
// all that the bucket had at first is known, so that the value is new.
func (x *index) put(e *entry, seen bool) (ready bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	was := x.all[e.ref][e.id]
	if was != nil && was.revision >= e.revision {
		was.seen = was.seen || seen
		return x.ready
	}
	e.seen = seen || was != nil && was.seen
	x.drop(was)
	if x.all[e.ref] == nil {
		x.all[e.ref] = map[string]*entry{}
	}
	x.all[e.ref][e.id] = e
	s := x.share(e.ref.Tenant)
	s.bytes += e.bytes
	if open(e.state) {
		if x.open[e.ref] == nil {
			x.open[e.ref] = map[string]*entry{}
		}
		x.open[e.ref][e.id] = e
		s.open++
	}
	return x.ready
}

// drop forgets an entry. The caller holds mu.
func (x *index) drop(e *entry) {
	if e == nil {
		return
	}
	s := x.share(e.ref.Tenant)
	s.bytes -= e.bytes
	if open(e.state) {
		s.open--
		if delete(x.open[e.ref], e.id); len(x.open[e.ref]) == 0 {
			delete(x.open, e.ref)
		}
	}
	if delete(x.all[e.ref], e.id); len(x.all[e.ref]) == 0 {
		delete(x.all, e.ref)
	}
	x.tidy(e.ref.Tenant)
}

// share is that of a tenant. The caller holds mu.
func (x *index) share(tenant string) *share {
	s := x.tenants[tenant]
	if s == nil {
		s = &share{}
		x.tenants[tenant] = s
	}
	return s
}

// tidy forgets a share of nothing. The caller holds mu.
func (x *index) tidy(tenant string) {
	if s := x.tenants[tenant]; s != nil && *s == (share{}) {
		delete(x.tenants, tenant)
	}
}

// forget drops what the bucket no longer has.
func (x *index) forget(now time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, entries := range x.all {
		for _, e := range entries {
			if now.Sub(e.changed) > keptFor {
				x.drop(e)
			}
		}
	}
}

// waiting are the clusters that have operations to be executed.
func (x *index) waiting() (refs []subjects.ClusterRef) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.ready {
		return nil
	}
	for ref := range x.open { // in no order, so that bridges begin with others
		refs = append(refs, ref)
	}
	return refs
}

// head is the operation of a cluster that is the first in the queue; nil: there is none.
// One that this bridge has just created does not count before the bucket's changes up to
// it were read: another bridge may have put one before it.
func (x *index) head(ref subjects.ClusterRef) (first *entry) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.ready {
		return nil
	}
	for _, e := range x.open[ref] {
		if e.seen && (first == nil || e.position < first.position) {
			first = e
		}
	}
	return first
}

// overdue are queued operations that have expired, at most n.
func (x *index) overdue(now time.Time, n int) (all []*entry) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.ready {
		return nil
	}
	for _, entries := range x.open {
		for _, e := range entries {
			if e.state == api.OperationQueued && !now.Before(e.expires) && len(all) < n {
				all = append(all, e)
			}
		}
	}
	return all
}

// page returns operations of a cluster, the newest first: those before a position (0: from
// the newest on) for which keep is true, at most n, and whether there are more.
func (x *index) page(ref subjects.ClusterRef, before uint64, n int, keep func(*entry) bool) (some []*entry, more bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, e := range x.all[ref] {
		if (before == 0 || e.position < before) && keep(e) {
			some = append(some, e)
		}
	}
	slices.SortFunc(some, func(a, b *entry) int { // positions differ
		if a.position > b.position {
			return -1
		}
		return 1
	})
	if len(some) > n {
		return some[:n], true
	}
	return some, false
}

// depth counts the operations that wait and those that run, and says when the oldest was
// created.
func (x *index) depth() (queued, running int, oldest time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, entries := range x.open {
		for _, e := range entries {
			if e.state == api.OperationQueued {
				queued++
			} else {
				running++
			}
			if oldest.IsZero() || e.created.Before(oldest) {
				oldest = e.created
			}
		}
	}
	return queued, running, oldest
}

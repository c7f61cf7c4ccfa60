package approval

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/subjects"
)

// Desk is where access is asked for and decided. It is safe for concurrent use.
type Desk struct {
	store Store
	// changing has a token while no change is being made: each is made on what the one
	// before has left.
	changing chan struct{}

	mu       sync.Mutex // guards the rest; never held while the store is asked
	requests map[string]Request
	active   map[key]*approved
	halted   map[string]bool // IDs of approvals that count no more here, though their end was not kept
	closed   bool
}

// key is what an approval is for.
type key struct {
	who            Who
	grant, cluster string
}

func (r *Request) key() key { return key{who: r.Caller, grant: r.Grant, cluster: r.Cluster} }

// approved is an approval that holds.
type approved struct {
	id     string
	ctx    context.Context // ends with it
	cancel context.CancelFunc
}

// OpenFile returns a desk of this bridge alone, whose store is the file at path. The file
// need not exist, but its folder must.
func OpenFile(path string) (*Desk, error) {
	f, err := openFile(path)
	if err != nil {
		return nil, err
	}
	return Open(f)
}

// Open returns a desk of a store, which it closes.
func Open(s Store) (*Desk, error) {
	d := &Desk{store: s, changing: make(chan struct{}, 1), requests: map[string]Request{}, active: map[key]*approved{}, halted: map[string]bool{}}
	d.changing <- struct{}{}
	if err := s.Start(d); err != nil {
		d.Close()
		return nil, fmt.Errorf("approvals: %w", err)
	}
	return d, nil
}

// Close ends all approvals in this process. They go on when the store is opened again.
func (d *Desk) Close() {
	d.store.Close()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	d.suspend()
}

// suspend ends what runs under approvals. The caller holds mu.
func (d *Desk) suspend() {
	for _, a := range d.active {
		a.cancel()
	}
	clear(d.active)
}

// Learn implements [Learner].
func (d *Desk) Learn(r Request, instead string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if gone, ok := d.requests[instead]; ok && instead != r.ID {
		delete(d.requests, instead)
		delete(d.halted, instead)
		d.activate(gone.key())
	}
	if r.ID == "" {
		return
	}
	if r.State != Approved {
		delete(d.halted, r.ID)
	}
	d.requests[r.ID] = r
	d.activate(r.key())
}

// Forget implements [Learner].
func (d *Desk) Forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.requests)
	clear(d.halted)
	d.suspend()
}

// Recheck implements [Learner]. What runs under an approval that cannot be confirmed any
// more is decided about again, and ends.
func (d *Desk) Recheck() {
	failed := d.store.Err() != nil
	d.mu.Lock()
	defer d.mu.Unlock()
	if failed {
		d.suspend()
		return
	}
	for _, r := range d.requests {
		d.activate(r.key())
	}
}

// activate makes the longest approval for a key hold; running requests under another one
// are decided about again. The caller holds mu.
func (d *Desk) activate(k key) {
	if d.closed {
		return
	}
	now := time.Now()
	var longest Request
	for _, other := range d.requests {
		if other.key() == k && !d.halted[other.ID] && other.at(now).State == Approved && other.Until.After(longest.Until) {
			longest = other
		}
	}
	if a := d.active[k]; a != nil {
		if a.id == longest.ID && a.ctx.Err() == nil {
			return
		}
		delete(d.active, k)
		defer a.cancel()
	}
	if longest.ID == "" {
		return
	}
	a := &approved{id: longest.ID}
	a.ctx, a.cancel = context.WithDeadline(context.Background(), longest.Until)
	d.active[k] = a
}

// halt ends what runs under a request at this bridge, and lets nothing more run under it
// until the bridge is restarted. It reports whether the request was approved.
func (d *Desk) halt(id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	r, ok := d.requests[id]
	if !ok || r.at(time.Now()).State != Approved {
		return false
	}
	d.halted[id] = true
	d.activate(r.key())
	return true
}

// Active returns a context that lasts as long as the caller's approval for a grant and
// a cluster does; nil: there is none. An error wraps [ErrStore]: it is not known whether
// there is one.
func (d *Desk) Active(c *access.Caller, grant string, ref subjects.ClusterRef) (context.Context, error) {
	if err := d.err(); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	a := d.active[key{who: who(c), grant: grant, cluster: ref.String()}]
	if a == nil || a.ctx.Err() != nil {
		return nil, nil
	}
	return a.ctx, nil
}

// err wraps [ErrStore] around the store's error.
func (d *Desk) err() error {
	if err := d.store.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrStore, err)
	}
	return nil
}

// Age is how old what [Desk.Get] and [Desk.List] return may be. It is small while the store
// can be read.
func (d *Desk) Age() time.Duration { return d.store.Age() }

// Get returns a request.
func (d *Desk) Get(id string) (Request, error) {
	if err := d.err(); err != nil {
		return Request{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	r, ok := d.requests[id]
	if !ok || r.Forgotten(now) {
		return Request{}, ErrUnknown
	}
	return r.at(now), nil
}

// List returns the requests that are kept, the newest first.
func (d *Desk) List() ([]Request, error) {
	if err := d.err(); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	all := make([]Request, 0, len(d.requests))
	for _, r := range d.requests {
		if !r.Forgotten(now) {
			all = append(all, r.at(now))
		}
	}
	slices.SortFunc(all, newestFirst)
	return all, nil
}

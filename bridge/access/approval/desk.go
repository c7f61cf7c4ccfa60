package approval

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/subjects"
)

// Desk is where access is asked for and decided. It is safe for concurrent use.
type Desk struct {
	path string

	mu       sync.Mutex // guards the rest; held while the file is written
	requests map[string]Request
	active   map[key]*approved
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

// Open reads the file at path, which need not exist. Its folder must.
func Open(path string) (*Desk, error) {
	all, err := load(path)
	if err != nil {
		return nil, err
	}
	d := &Desk{path: path, requests: make(map[string]Request, len(all)), active: map[key]*approved{}}
	for _, r := range all {
		d.requests[r.ID] = r
		d.activate(r)
	}
	// Told now, and not when the first caller asks.
	if err := save(path, d.list(time.Now())); err != nil {
		d.Close()
		return nil, fmt.Errorf("approvals: %w", err)
	}
	return d, nil
}

// Close ends all approvals in this process. They go on when the file is opened again.
func (d *Desk) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	for _, a := range d.active {
		a.cancel()
	}
	clear(d.active)
}

// Ask keeps a request of the caller, which somebody must approve. Whether the caller
// may ask for the grant is decided before.
func (d *Desk) Ask(c *access.Caller, grant string, ref subjects.ClusterRef, reason string, duration time.Duration) (Request, error) {
	switch {
	case !plain(reason) || strings.TrimSpace(reason) == "":
		return Request{}, fmt.Errorf("%w: reason: say in one line of at most %d bytes what the access is for", ErrBad, MaxReason)
	case duration < time.Minute || duration > MaxDuration:
		return Request{}, fmt.Errorf("%w: duration: %v is not between 1m and %v", ErrBad, duration, MaxDuration)
	}
	now := time.Now().UTC()
	r := Request{
		ID: "ar-" + strings.ToLower(rand.Text()[:20]), Caller: who(c), Grant: grant, Cluster: ref.String(), Reason: reason,
		Duration: duration, Created: now, State: Pending, Until: now.Add(pendingFor),
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	pending := 0
	for _, other := range d.requests {
		if other = other.at(now); other.Caller == r.Caller && (other.State == Pending || now.Sub(other.Created) < recentFor) {
			pending++
		}
	}
	if pending >= maxPending || !d.room(now) {
		return Request{}, ErrFull
	}
	return r, d.put(r)
}

// room makes room for one more request, where only ended ones must go for it. The
// caller holds mu.
func (d *Desk) room(now time.Time) bool {
	if len(d.requests) < maxKept {
		return true
	}
	var oldest Request
	for _, r := range d.requests {
		if r = r.at(now); r.State != Pending && r.State != Approved && (oldest.ID == "" || r.Created.Before(oldest.Created)) {
			oldest = r
		}
	}
	delete(d.requests, oldest.ID)
	return oldest.ID != ""
}

// Decide approves or denies a pending request. Whether by may decide is decided
// before.
func (d *Desk) Decide(id string, by *access.Caller, approve bool, note string) (Request, error) {
	if !plain(note) {
		return Request{}, fmt.Errorf("%w: note: more than one line, or over %d bytes", ErrBad, MaxReason)
	}
	now := time.Now().UTC()
	d.mu.Lock()
	defer d.mu.Unlock()
	r, ok := d.requests[id]
	switch r = r.at(now); {
	case !ok:
		return Request{}, ErrUnknown
	case r.State != Pending:
		return Request{}, fmt.Errorf("%w: it is %s", ErrDecided, r.State)
	case approve && r.Caller == who(by):
		return Request{}, ErrOwn
	}
	r.State, r.DecidedBy, r.DecidedAt, r.Note, r.Until = Denied, who(by), now, note, now
	if approve {
		r.State, r.Until = Approved, now.Add(r.Duration)
	}
	return r, d.put(r)
}

// End ends a request that is pending or approved, and what runs under it. Whether by
// may is decided before.
func (d *Desk) End(id string, by *access.Caller) (Request, error) {
	now := time.Now().UTC()
	d.mu.Lock()
	defer d.mu.Unlock()
	r, ok := d.requests[id]
	switch r = r.at(now); {
	case !ok:
		return Request{}, ErrUnknown
	case r.State != Pending && r.State != Approved:
		return Request{}, fmt.Errorf("%w: it is %s", ErrDecided, r.State)
	}
	r.State, r.EndedBy, r.EndedAt, r.Until = Ended, who(by), now, now
	return r, d.put(r)
}

// put makes a request one that is kept, on disk first. The caller holds mu.
func (d *Desk) put(r Request) error {
	if d.closed {
		return fmt.Errorf("%w: the bridge is shutting down", ErrStore)
	}
	before, had := d.requests[r.ID]
	d.requests[r.ID] = r
	if err := save(d.path, d.list(time.Now())); err != nil {
		if delete(d.requests, r.ID); had {
			d.requests[r.ID] = before
		}
		return fmt.Errorf("%w: %w", ErrStore, err)
	}
	d.activate(r)
	return nil
}

// activate makes the longest approval for the key of r hold; running requests under
// another one are decided about again. The caller holds mu.
func (d *Desk) activate(r Request) {
	k, now := r.key(), time.Now()
	var longest Request
	for _, other := range d.requests {
		if other.key() == k && other.at(now).State == Approved && other.Until.After(longest.Until) {
			longest = other
		}
	}
	if a := d.active[k]; a != nil {
		if a.id == longest.ID {
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

// Active returns a context that lasts as long as the caller's approval for a grant and
// a cluster does; nil: there is none.
func (d *Desk) Active(c *access.Caller, grant string, ref subjects.ClusterRef) context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	a := d.active[key{who: who(c), grant: grant, cluster: ref.String()}]
	if a == nil || a.ctx.Err() != nil {
		return nil
	}
	return a.ctx
}

// Get returns a request.
func (d *Desk) Get(id string) (Request, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r, ok := d.requests[id]
	if !ok {
		return Request{}, ErrUnknown
	}
	return r.at(time.Now()), nil
}

// List returns the requests that are kept, the newest first.
func (d *Desk) List() []Request {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.list(time.Now())
}

// list drops what has ended for long enough. The caller holds mu.
func (d *Desk) list(now time.Time) []Request {
	all := make([]Request, 0, len(d.requests))
	for id, r := range d.requests {
		if r = r.at(now); r.State != Pending && r.State != Approved && now.Sub(r.Until) > keptFor {
			delete(d.requests, id)
			continue
		}
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b Request) int { return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(a.ID, b.ID)) })
	return all
}

// plain reports whether a text is one line that can be shown anywhere.
func plain(s string) bool {
	return len(s) <= MaxReason && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

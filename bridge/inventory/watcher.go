package inventory

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/bridge/events"
	"github.com/fairlead-io/fairlead/bridge/internal/sleep"
	"github.com/fairlead-io/fairlead/bridge/store/kv"
	"github.com/fairlead-io/fairlead/bridge/tenant"
	"github.com/fairlead-io/fairlead/subjects"
)

const (
	// lookInterval is the time between two looks at a tenant's directory, and at the list of
	// tenants. A look costs about 0.2 µs for each cluster.
	lookInterval = 500 * time.Millisecond
	// askAfter is after how much silence the broker is asked whether an instance is still
	// there, and the instance whether it works: about once between two heartbeats, so that
	// what happens at any time is noticed within 5 s. One that is asked has 2 s to answer.
	// Both are one small message, so that 10,000 agents cost a bridge up to 2,400 of each a
	// second, and 10,000 a second for a moment after its own link was away.
	askAfter = 2400 * time.Millisecond
	// signsWithin is how long any message of an instance that was asked says that it works.
	signsWithin = 2 * time.Second
	// maxOpening is how many tenants' connections are opened at a time, so that a bridge
	// that starts leaves brokers room for others.
	maxOpening = 16
	// holdRetry and maxHoldRetry are the first and the longest pause before a tenant that
	// cannot be connected is tried again. For one whose connection is still being opened it
	// is always the first.
	holdRetry    = time.Second
	maxHoldRetry = 30 * time.Second
)

// Watcher keeps every tenant of the list connected, and notices what changes. Its fields
// are set before Run and never changed. It is safe for concurrent use.
type Watcher struct {
	Tenants *tenant.Pool
	// Events are told what happens to clusters; nil: nobody is.
	Events events.Log
	// Bucket keeps the last known state of clusters, which bridges share; nil: it is in
	// memory, and forgotten with the bridge.
	Bucket *kv.Bucket
	// Version is the bridge's own, which agents' versions are compared with; "": they are
	// not.
	Version string
	// Logger gets why a tenant cannot be connected. Default: discard.
	Logger *slog.Logger

	mu          sync.Mutex
	subscribers map[chan struct{}]bool
	shelf       *shelf // nil before Run
}

// Run works until ctx ends, and returns when its goroutines have ended. It is called once.
func (w *Watcher) Run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	log := w.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	h := holder{Watcher: w, log: log, opening: make(chan struct{}, maxOpening), held: make(map[string]bool)}
	h.keeper = &keeper{shelf: newShelf(w.Bucket, log), events: w.Events, version: w.Version, log: log, turn: make(chan struct{}, 1)}
	w.mu.Lock()
	w.shelf = h.keeper.shelf
	w.mu.Unlock()
	all.Go(func() { h.keeper.shelf.run(ctx) })
	tick := time.NewTicker(lookInterval)
	defer tick.Stop()
	for {
		for _, name := range w.Tenants.Names() {
			if h.begin(name) {
				all.Go(func() {
					defer h.end(name)
					h.hold(ctx, name)
				})
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// Subscribe returns a channel that can be received from once a cluster may have changed
// since it was last received from. stop must be called.
func (w *Watcher) Subscribe() (changed <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.subscribers == nil {
		w.subscribers = make(map[chan struct{}]bool)
	}
	w.subscribers[c] = true
	return c, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.subscribers, c)
	}
}

// last is what was known of a cluster; the zero record for a nil watcher.
func (w *Watcher) last(ref subjects.ClusterRef) record {
	if w == nil {
		return record{}
	}
	w.mu.Lock()
	s := w.shelf
	w.mu.Unlock()
	if s == nil {
		return record{}
	}
	return s.get(ref)
}

// notify wakes the subscribers.
func (w *Watcher) notify() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.subscribers {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// holder is a run of a watcher.
type holder struct {
	*Watcher
	keeper  *keeper
	log     *slog.Logger
	opening chan struct{} // has a token for each connection that is being opened

	mu   sync.Mutex
	held map[string]bool // tenants that have a goroutine
}

// begin reports whether the tenant has no goroutine yet, and notes that it has one.
func (h *holder) begin(name string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.held[name] {
		return false
	}
	h.held[name] = true
	return true
}

func (h *holder) end(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.held, name)
}

// hold keeps a tenant connected until it is removed, the pool is closed or ctx ends.
func (h *holder) hold(ctx context.Context, name string) {
	for pause := holdRetry; ctx.Err() == nil; {
		conn, err := h.acquire(ctx, name)
		if err == nil {
			pause = holdRetry
			h.follow(ctx, conn)
			conn.Release()
			h.notify() // its clusters are gone, or another account's
			continue
		}
		if errors.Is(err, tenant.ErrUnknown) || errors.Is(err, tenant.ErrClosed) {
			return
		}
		if _, wait := errors.AsType[*directory.UnavailableError](err); wait {
			pause = holdRetry // it is still being opened
		} else {
			h.log.Debug("tenant not watched yet", "tenant", name, "error", err)
		}
		sleep.For(ctx, pause)
		pause = min(2*pause, maxHoldRetry)
	}
}

func (h *holder) acquire(ctx context.Context, name string) (*tenant.Conn, error) {
	select {
	case h.opening <- struct{}{}:
		defer func() { <-h.opening }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	return h.Tenants.Acquire(ctx, name)
}

// follow looks at a tenant's directory from time to time, until the connection is retired
// or ctx ends.
func (h *holder) follow(ctx context.Context, conn *tenant.Conn) {
	follower := conn.Directory().Follow()
	keeper, stop := h.keeper.follow(ctx, conn)
	defer stop()
	tick := time.NewTicker(lookInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-conn.Retired():
			return
		case <-ctx.Done():
			return
		}
		askSilent(conn)
		changed, forgotten := follower.Changes()
		keeper.look(ctx, changed)
		if len(changed)+len(forgotten) > 0 {
			h.notify()
		}
	}
}

// askSilent asks the agents of a tenant that have not been heard for a while, and gives up
// those that have not answered.
func askSilent(conn *tenant.Conn) {
	dir := conn.Directory()
	ask, mute := dir.Silent(askAfter)
	conn.Check(ask)
	for _, s := range mute {
		if conn.Heard(s.Cluster, s.Instance, signsWithin) {
			dir.Answered(s.Cluster, s.Instance)
		} else {
			dir.Mute(s)
		}
	}
}

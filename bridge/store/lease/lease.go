package lease

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/fairlead-io/fairlead/bridge/internal/sleep"
	"github.com/fairlead-io/fairlead/bridge/store"
	"github.com/fairlead-io/fairlead/bridge/store/kv"
)

const (
	// term is how long a lease must stand unchanged before another bridge takes it.
	term = 15 * time.Second
	// holdFor is how long after its last renewal a holder goes on.
	holdFor = term - 3*time.Second
	// renewInterval is how often a holder renews its lease: twice without success are
	// survived, as when the stream's leader was lost.
	renewInterval = 5 * time.Second
	// attemptTimeout bounds one renewal, and what gives the lease back.
	attemptTimeout = 2 * time.Second
	// retryInterval is the pause after a renewal that failed.
	retryInterval = time.Second
	// lookInterval is how often a bridge looks at a lease that another one has, if it
	// hears nothing of it.
	lookInterval = 2500 * time.Millisecond
	// hintPause is how long after a change was heard it is looked at.
	hintPause = 50 * time.Millisecond
)

// times are the durations above; tests have shorter ones.
type times struct{ term, holdFor, renew, attempt, retry, look time.Duration }

// Keeper competes for leases in the name of one bridge. It is safe for concurrent use.
type Keeper struct {
	bridge string
	bucket *kv.Bucket
	log    *slog.Logger
	times  times

	started func(ctx context.Context) // [store.Store.Started]
}

// New returns a keeper of leases of the bridge with an id.
func New(s *store.Store, bridge string, log *slog.Logger) *Keeper {
	return &Keeper{
		bridge: bridge, bucket: kv.New(s, store.Leases()), log: log, started: s.Started,
		times: times{term, holdFor, renewInterval, attemptTimeout, retryInterval, lookInterval},
	}
}

// value is what is kept of a lease. Without a bridge it was given back.
type value struct {
	Bridge string `json:"bridge"`
	Hold   string `json:"hold"` // of this holding and no other
}

// Hold runs f each time this bridge gets the lease, until ctx ends, and returns when f has
// returned. f's context ends when the lease is lost, and f must return within 3 s then.
// fence is greater than that of each holder before. If f returns while the lease is held,
// the lease is given back, and any bridge may get it. The error is that of a name.
func (k *Keeper) Hold(ctx context.Context, name string, f func(ctx context.Context, fence uint64)) error {
	changed := make(chan struct{}, 1)
	stop, err := k.bucket.Hint(name, func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	})
	if err != nil {
		return err
	}
	defer stop()
	c := &candidate{Keeper: k, name: name, log: k.log.With("lease", name), changed: changed}
	k.started(ctx)
	for ctx.Err() == nil {
		if h := c.take(ctx); h != nil {
			h.run(ctx, f)
			c.seen = 0                   // the lease is looked at as if for the first time
			sleep.For(ctx, k.times.look) // others come first
		}
	}
	return nil
}

// candidate waits for a lease.
type candidate struct {
	*Keeper
	name    string
	log     *slog.Logger
	changed <-chan struct{}

	seen    uint64    // the revision that was seen last
	since   time.Time // when it was seen first
	failing bool
}

// take waits until this bridge has the lease; nil: ctx has ended.
func (c *candidate) take(ctx context.Context) *holding {
	for ctx.Err() == nil {
		h, wait, err := c.try(ctx)
		if h != nil {
			return h
		}
		c.tell(ctx, err)
		c.pause(ctx, wait)
	}
	return nil
}

// tell logs when leases begin to fail, and when they work again.
func (c *candidate) tell(ctx context.Context, err error) {
	switch {
	case ctx.Err() != nil:
	case err != nil && !c.failing:
		c.log.Warn("the lease cannot be taken or renewed now", "error", err)
	case err == nil && c.failing:
		c.log.Info("the lease can be taken and renewed again")
	}
	c.failing = err != nil
}

// pause waits for a time, or until the lease is written.
func (c *candidate) pause(ctx context.Context, wait time.Duration) {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	case <-c.changed:
		sleep.For(ctx, hintPause)
	}
}

// try looks at the lease, and takes it if it may. Otherwise it says when to look again.
func (c *candidate) try(ctx context.Context) (h *holding, wait time.Duration, err error) {
	e, err := c.bucket.Get(ctx, c.name)
	now := time.Now()
	switch {
	case errors.Is(err, kv.ErrNotFound):
		e = kv.Entry{}
	case err != nil:
		return nil, c.times.look, err
	}
	if c.since.IsZero() || e.Revision != c.seen {
		c.seen, c.since = e.Revision, now
	}
	var v value
	if e.Revision != 0 && (json.Unmarshal(e.Value, &v) != nil || v.Bridge != "") {
		// A value that is none may be of a later version, and is waited for as well.
		if left := c.times.term - now.Sub(c.since); left > 0 {
			return nil, min(left, c.times.look), nil
		}
	}
	h = &holding{candidate: c, value: value{Bridge: c.bridge, Hold: rand.Text()}, revision: e.Revision}
	switch err := h.renew(ctx); {
	case err == nil:
		h.fence = h.revision
		return h, 0, nil
	case errors.Is(err, kv.ErrConflict):
		return nil, 0, nil // it was taken by another one: what it has now is seen next
	default:
		return nil, c.times.look, err
	}
}

package lease

import (
	"context"
	"encoding/json"
	"errors"
	"sync/atomic"
	"time"

	"github.com/fairlead-io/fairlead/bridge/store/kv"
)

// holding is a lease that this bridge has.
type holding struct {
	*candidate
	value    value
	revision uint64    // of what is kept
	fence    uint64    // the revision with which it began
	sent     time.Time // when the renewal that counts was sent
	unknown  time.Time // when the first was sent since then whose fate is not known; zero: none
	last     validity
}

// validity is how long a lease is held, for the function.
type validity struct {
	holdFor time.Duration
	sent    atomic.Pointer[time.Time] // as holding.sent
}

type validityKey struct{}

// Valid reports whether the lease is still held whose function has ctx, or one made of it,
// by the clocks of this moment. ctx itself ends only when a goroutine gets to end it, which
// a process that was suspended may do too late: ask right before something that must not
// happen twice.
func Valid(ctx context.Context) bool {
	v, ok := ctx.Value(validityKey{}).(*validity)
	if !ok || ctx.Err() != nil {
		return false
	}
	now, sent := time.Now(), *v.sent.Load()
	// The monotonic clock does not run while a machine is suspended, the other one does.
	return now.Sub(sent) < v.holdFor && now.Round(0).Sub(sent.Round(0)) < v.holdFor
}

// errLost says that another bridge has the lease.
var errLost = errors.New("another bridge has taken the lease")

// renew replaces what is kept. An error that wraps [kv.ErrConflict] says that another one
// has.
func (h *holding) renew(ctx context.Context) error {
	data, err := json.Marshal(h.value)
	if err != nil { // strings only
		panic("lease: " + err.Error())
	}
	ctx, cancel := context.WithTimeout(ctx, h.times.attempt)
	defer cancel()
	sent := time.Now()
	revision, err := h.bucket.Update(ctx, h.name, data, h.revision)
	if errors.Is(err, kv.ErrConflict) && !h.unknown.IsZero() {
		return h.find(ctx)
	}
	switch {
	case err == nil:
		h.renewed(revision, sent)
	case errors.Is(err, kv.ErrUnknown) && h.unknown.IsZero():
		h.unknown = sent
	}
	return err
}

// find looks whether it was an own renewal that has replaced what is kept: its answer was
// lost.
func (h *holding) find(ctx context.Context) error {
	e, err := h.bucket.Get(ctx, h.name)
	if err != nil {
		return err
	}
	var v value
	if json.Unmarshal(e.Value, &v) != nil || v != h.value {
		return kv.ErrConflict
	}
	h.renewed(e.Revision, h.unknown)
	return nil
}

// renewed notes a renewal that counts from when it was sent.
func (h *holding) renewed(revision uint64, sent time.Time) {
	h.revision, h.sent, h.unknown = revision, sent, time.Time{}
	h.last.sent.Store(&sent)
}

// run runs f for as long as the lease is held, waits for it, and gives the lease back.
func (h *holding) run(ctx context.Context, f func(ctx context.Context, fence uint64)) {
	h.log.Info("this bridge has the lease", "fence", h.fence)
	h.last.holdFor = h.times.holdFor
	running, stop := context.WithCancelCause(context.WithValue(ctx, validityKey{}, &h.last))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f(running, h.fence)
	}()
	why := h.keep(ctx, ended)
	stop(why)
	if why != nil {
		h.log.Warn("this bridge has lost the lease", "error", why)
	}
	<-ended
	if late := time.Since(h.sent) - h.times.term; late > 0 {
		h.log.Error("what needs the lease ran on after another bridge may have begun; its fencing number protects what it wrote", "late", late)
	}
	if why == nil {
		h.release(context.WithoutCancel(ctx))
	}
}

// keep renews the lease until f has ended or ctx does, which is nil, or the lease is lost.
func (h *holding) keep(ctx context.Context, ended <-chan struct{}) error {
	wait := time.NewTimer(h.times.renew)
	defer wait.Stop()
	for {
		select {
		case <-ended:
			return nil
		case <-ctx.Done():
			return nil
		case <-wait.C:
		}
		until, cancel := context.WithDeadline(ctx, h.sent.Add(h.times.holdFor))
		err := h.renew(until)
		over := until.Err() != nil
		cancel()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, kv.ErrConflict):
			return errLost
		case err == nil:
			h.tell(ctx, nil)
			wait.Reset(time.Until(h.sent.Add(h.times.renew)))
		case over || time.Since(h.sent) >= h.times.holdFor:
			return err
		default:
			h.tell(ctx, err)
			wait.Reset(min(h.times.retry, time.Until(h.sent.Add(h.times.holdFor))))
		}
	}
}

// release gives the lease back, if that works at once: if not, it ends by itself.
func (h *holding) release(ctx context.Context) {
	h.value = value{}
	if err := h.renew(ctx); err != nil {
		h.log.Info("the lease was not given back, and ends by itself", "error", err)
	}
}

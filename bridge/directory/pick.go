package directory

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

// Instance is one agent instance. A picked one must be released.
type Instance struct {
	dir     *Directory
	cluster *cluster
	name    string
	streams atomic.Int32

	// Guarded by dir.mu.
	presence subjects.Presence
	heard    time.Time
	lost     time.Time // found to be gone before it was silent for long; zero: no
}

// Name is the instance's name.
func (i *Instance) Name() string { return i.name }

// Release gives back what [Directory.Pick] took. It must be called once.
func (i *Instance) Release() { i.streams.Add(-1) }

// Lost notes that nobody answers for the instance. It is picked again when it
// is next heard.
func (i *Instance) Lost() {
	i.dir.mu.Lock()
	defer i.dir.mu.Unlock()
	i.lose(time.Now())
}

// lose is Lost. The caller holds dir.mu.
func (i *Instance) lose(now time.Time) {
	if i.lost.IsZero() {
		i.lost = now
	}
}

// Attempt is what the picks for one request share. The zero value is ready.
type Attempt struct {
	tried []*Instance
	until time.Time // the end of all waiting for this request
}

// Exclude keeps the request's further picks from in, which refused it.
func (a *Attempt) Exclude(in *Instance) { a.tried = append(a.tried, in) }

// Pick returns the instance of the cluster with the fewest streams of this
// bridge among those that take requests and were not excluded, a random one of
// several. The error is an [*UnavailableError], or ctx's cause where ctx ended
// while Pick was waiting; package doc says when it waits. An error with state
// [Connected] means that every instance was excluded.
func (d *Directory) Pick(ctx context.Context, clusterName string, a *Attempt) (*Instance, error) {
	var timer *time.Timer
	for {
		now := time.Now()
		d.mu.Lock()
		c := d.lookup(clusterName, now)
		if d.linkUp && c != nil {
			if in := d.best(c, now, a.tried); in != nil {
				in.streams.Add(1)
				d.mu.Unlock()
				return in, nil
			}
		}
		w := d.await(clusterName, now)
		d.mu.Unlock()

		if w.ask {
			// A query that cannot be sent is one that nobody answers.
			_ = d.cfg.Query(clusterName)
		}
		if a.until.IsZero() {
			a.until = now.Add(max(d.cfg.ReconnectGrace, d.cfg.FirstContact))
		}
		if a.until.Before(w.until) {
			w.until = a.until
		}
		if w.wake == nil || !now.Before(w.until) {
			return nil, &UnavailableError{State: w.state, Since: w.since}
		}
		if timer == nil {
			timer = time.NewTimer(w.until.Sub(now))
			defer timer.Stop()
		} else {
			timer.Reset(w.until.Sub(now))
		}
		select {
		case <-w.wake:
		case <-timer.C:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// best chooses among the instances that take requests. The caller holds mu.
func (d *Directory) best(c *cluster, now time.Time, tried []*Instance) *Instance {
	var best *Instance
	ties := uint32(1)
	for _, in := range c.instances {
		if in.presence.State != subjects.PresenceUp || !in.presence.Compatible() || slices.Contains(tried, in) {
			continue
		}
		if gone, _ := d.gone(in, now); gone {
			continue
		}
		switch {
		case best == nil || in.streams.Load() < best.streams.Load():
			best, ties = in, 1
		case in.streams.Load() == best.streams.Load():
			// Each of n equals is chosen with probability 1/n.
			if ties++; rand.Uint32N(ties) == 0 {
				best = in
			}
		}
	}
	return best
}

// awaited says what a pick that found nothing may wait for.
type awaited struct {
	state State
	since time.Time
	wake  <-chan struct{} // nil: nothing to wait for
	until time.Time
	ask   bool // send a query first
}

// await decides whether there is something to wait for. The caller holds mu.
func (d *Directory) await(name string, now time.Time) awaited {
	if !d.known(name) {
		return awaited{state: Unknown}
	}
	if d.refused {
		return awaited{state: Disconnected, since: d.linkAt}
	}
	if !d.linkUp {
		return awaited{
			state: Disconnected, since: d.linkAt,
			wake: waitOn(&d.linkWake), until: d.linkAt.Add(d.cfg.ReconnectGrace),
		}
	}
	c := d.entry(name, now)
	state, lostAt := d.state(c, now)
	w := awaited{state: state, since: c.heard}
	switch state {
	case Connected: // and all excluded
	case Reconnecting:
		w.wake, w.until = waitOn(&c.wake), lostAt.Add(d.cfg.ReconnectGrace)
		w.ask = d.mayAsk(c, now)
	case Draining, Incompatible:
	default:
		w.ask = d.mayAsk(c, now)
		// What was heard over this link, be it a goodbye, is known.
		if until := c.firstAsked.Add(d.cfg.FirstContact); c.heard.Before(d.linkAt) && now.Before(until) {
			w.wake, w.until = waitOn(&c.wake), until
		}
	}
	return w
}

// mayAsk allows a query for c now and then: the announcement of an agent that
// came back can have been missed. The caller holds mu.
func (d *Directory) mayAsk(c *cluster, now time.Time) bool {
	if !c.asked.IsZero() && now.Sub(c.asked) < subjects.HeartbeatInterval && !c.heard.After(c.asked) {
		return false
	}
	if c.asked.IsZero() {
		c.firstAsked = now
	}
	c.asked = now
	return true
}

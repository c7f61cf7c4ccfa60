package directory

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

// Attempt is the state that the picks for one request share. The zero value is ready.
type Attempt struct {
	excluded []string  // names of instances
	until    time.Time // the end of all waiting for clusters
}

// Exclude keeps further picks for the request from returning in, or an instance
// that comes back under its name.
func (a *Attempt) Exclude(in *Instance) { a.excluded = append(a.excluded, in.name) }

// Pick returns the instance of the cluster with the fewest streams of this
// bridge among those that take requests and were not excluded, a random one of
// several. After an outage of the link it prefers instances that have been heard
// since. The error is an [*UnavailableError], what [Directory.Close] was
// given, or ctx's cause where ctx ended while Pick was waiting; the package
// documentation says when it waits. An error with state [Connected] means that
// every instance was excluded.
func (d *Directory) Pick(ctx context.Context, clusterName string, a *Attempt) (*Instance, error) {
	var timer *time.Timer
	for {
		now := time.Now()
		d.mu.Lock()
		if err := d.closed; err != nil {
			d.mu.Unlock()
			return nil, err
		}
		c := d.lookup(clusterName, now)
		if d.link.up() && c != nil {
			if in := d.best(c, now, a.excluded); in != nil {
				in.streams.Add(1)
				d.mu.Unlock()
				return in, nil
			}
		}
		w := d.await(clusterName, now)
		d.mu.Unlock()

		if w.ask {
			// A query that cannot be sent counts as unanswered.
			_ = d.cfg.Query(clusterName)
		}
		if !w.opening { // which has a bound of its own
			w.until = a.limit(w.until, now.Add(max(d.cfg.ReconnectGrace, d.cfg.FirstContact)))
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

// limit cuts until to the end of all waiting, which is last where this is the
// request's first wait.
func (a *Attempt) limit(until, last time.Time) time.Time {
	if a.until.IsZero() {
		a.until = last
	}
	if a.until.Before(until) {
		return a.until
	}
	return until
}

// best chooses among the instances that take requests. The caller holds mu.
func (d *Directory) best(c *cluster, now time.Time, excluded []string) *Instance {
	var best *Instance
	ties := uint32(1)
	for _, in := range c.instances {
		if in.presence.State != subjects.PresenceUp || !in.presence.Compatible() || slices.Contains(excluded, in.name) {
			continue
		}
		if gone, _ := d.gone(in, now); gone {
			continue
		}
		if best == nil {
			best = in
			continue
		}
		switch order := d.compare(in, best); {
		case order < 0:
			best, ties = in, 1
		case order == 0:
			// Each of n equals is chosen with probability 1/n.
			if ties++; rand.Uint32N(ties) == 0 {
				best = in
			}
		}
	}
	return best
}

// compare is negative if a is the better choice. An instance that was heard since
// the link came up is better than one that was not: during a long outage it may
// have been replaced. While the link stays up all have been heard, and only the
// number of streams counts. The caller holds mu.
func (d *Directory) compare(a, b *Instance) int {
	if unheard := a.heard.Before(d.link.since); unheard != b.heard.Before(d.link.since) {
		if unheard {
			return 1
		}
		return -1
	}
	return cmp.Compare(a.streams.Load(), b.streams.Load())
}

// awaited says what a pick that found nothing may wait for.
type awaited struct {
	state   State
	since   time.Time
	wake    <-chan struct{} // nil: there is nothing to wait for
	until   time.Time
	opening bool // the wait is for a link that is being opened
	ask     bool // send a query first
}

// await decides whether a pick may wait, and for which event. The caller holds mu.
func (d *Directory) await(name string, now time.Time) awaited {
	if !d.Listed(name) {
		return awaited{state: Unknown}
	}
	if !d.link.up() {
		return awaited{
			state: Disconnected, since: d.link.since, opening: d.link.state == linkOpening,
			wake: waitOn(&d.link.changed), until: d.link.waitLimit(&d.cfg),
		}
	}
	c := d.entry(name, now)
	state, lostAt := d.state(c, now)
	w := awaited{state: state, since: c.heard}
	switch state {
	case Connected: // but every instance was excluded
	case Reconnecting:
		w.wake, w.until = waitOn(&c.wake), lostAt.Add(d.cfg.ReconnectGrace)
		w.ask = d.mayAsk(c, now)
	case Draining, Incompatible:
	default:
		w.ask = d.mayAsk(c, now)
		patience := d.cfg.FirstContact
		if c.expected {
			patience = max(patience, d.cfg.ReconnectGrace)
		}
		// Do not wait for a cluster that has been heard over this link, even if it
		// only said goodbye.
		if until := c.firstAsked.Add(patience); c.heard.Before(d.link.since) && now.Before(until) {
			w.wake, w.until = waitOn(&c.wake), until
		}
	}
	return w
}

// mayAsk allows a query for c once in a while, since the announcement of an agent
// that reconnected may have been missed. The caller holds mu.
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

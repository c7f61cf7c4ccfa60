package directory

import (
	"context"
	"time"
)

// linkState is a state of the bridge's own link to the broker.
type linkState int

const (
	// linkDown: the link was lost, or was closed because no request used it.
	linkDown linkState = iota
	// linkOpening: the link is being opened and was not up before.
	linkOpening
	// linkRefused: the link is down because the broker refuses the bridge.
	linkRefused
	linkUp
)

// link is the bridge's own link. Directory.mu guards it.
type link struct {
	state linkState
	// since is when the link came up, was lost or was first being opened.
	since time.Time
	// longest is how long it was up at most, but for now, since it was first being opened.
	longest time.Duration
	// complete: all that is to be expected was heard, however short a time it was up.
	complete bool
	changed  chan struct{} // closed at the next change that ends a wait; nil: none
}

func (l *link) up() bool { return l.state == linkUp }

// waitLimit is until when requests wait for a link that is not up.
func (l *link) waitLimit(cfg *Config) time.Time {
	switch l.state {
	case linkRefused:
		return time.Time{}
	case linkOpening:
		return l.since.Add(cfg.OpenTimeout)
	}
	return l.since.Add(cfg.ReconnectGrace)
}

// Opening says that a new connection is being opened, to the account that the
// directory was made for. Requests wait for it for [Config].OpenTimeout.
func (d *Directory) Opening() {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	d.forgetInstances(now)
	d.link.state, d.link.since, d.link.longest, d.link.complete = linkOpening, now, 0, false
	wake(&d.link.changed)
}

// Link says whether the link is up.
func (d *Directory) Link(up bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.link.up() == up {
		return
	}
	now := time.Now()
	if !up {
		// Instances that are gone by now stay gone. The others cannot be heard
		// until the link is up again, so their silence does not count.
		for _, c := range d.clusters {
			d.forgetGone(c, now)
		}
		d.link.longest = max(d.link.longest, now.Sub(d.link.since))
		d.link.state, d.link.since = linkDown, now
		return
	}
	d.link.state, d.link.since = linkUp, now
	// Announcements were missed in the meantime, so every cluster may be asked.
	for _, c := range d.clusters {
		c.firstAsked, c.asked = time.Time{}, time.Time{}
	}
	wake(&d.link.changed)
}

// Refused says that the link is down because the broker refuses the bridge:
// requests do not wait for it until it has been up again.
func (d *Directory) Refused() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.link.up() {
		d.link.state = linkRefused
		wake(&d.link.changed)
	}
}

// LinkClosed says that the connection was closed because no one uses it. The list of
// clusters stays known. Their instances are forgotten, since from now on their
// announcements are not received.
func (d *Directory) LinkClosed() {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	d.forgetInstances(now)
	d.link.state, d.link.since = linkDown, now
}

// forgetInstances drops every instance, and notes which clusters had one: they are
// probably still connected. The caller holds mu.
func (d *Directory) forgetInstances(now time.Time) {
	for _, c := range d.clusters {
		for _, in := range c.instances {
			if gone, _ := d.gone(in, now); !gone {
				c.expected = true
			}
			d.drop(in)
		}
		c.instances = nil
	}
}

// Close ends the directory: every call that waits, and every later one, returns
// cause. It is called when the tenant, or its account, is gone.
func (d *Directory) Close(cause error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed != nil {
		return
	}
	d.closed = cause
	for _, c := range d.clusters {
		d.forget(c)
	}
	wake(&d.link.changed)
}

// Listen waits until the link has been up for as long as given, so that every
// instance that announces itself within that time is in the directory. A link
// that breaks makes it wait again, but for no more than [Config].OpenTimeout
// and the given time in all. The error is an [*UnavailableError] with state
// [Disconnected] where the link does not come up in the time for which requests
// wait for it; or what Close was given; or ctx's cause.
func (d *Directory) Listen(ctx context.Context, long time.Duration) error {
	return d.listen(ctx, long, func(*link) bool { return false })
}

// ListenOnce is Listen, but does not wait a second time where the link was lost and came
// back: the directory has what was heard before then, and asks again what it does not hear.
func (d *Directory) ListenOnce(ctx context.Context, long time.Duration) error {
	return d.listen(ctx, long, func(l *link) bool { return l.longest >= long })
}

// ListenComplete is ListenOnce, but does not wait for a directory that is complete.
func (d *Directory) ListenComplete(ctx context.Context, long time.Duration) error {
	return d.listen(ctx, long, func(l *link) bool { return l.complete || l.longest >= long })
}

// Complete says that every cluster was heard that is to be expected, which the caller knows
// from elsewhere. It is ignored while the link is down, and forgotten when the next one is
// opened.
func (d *Directory) Complete() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.link.up() && !d.link.complete {
		d.link.complete = true
		wake(&d.link.changed)
	}
}

// Unheard returns those of the clusters that may be the tenant's and were not heard since the
// link came up.
func (d *Directory) Unheard(names []string) (unheard []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, name := range names {
		c := d.clusters[name]
		if d.Listed(name) && (c == nil || c.recalled || c.heard.Before(d.link.since)) {
			unheard = append(unheard, name)
		}
	}
	return unheard
}

// listen is Listen, but does not wait where what was heard before is enough.
func (d *Directory) listen(ctx context.Context, long time.Duration, enough func(*link) bool) error {
	var timer *time.Timer
	last := time.Now().Add(d.cfg.OpenTimeout + long)
	for {
		now := time.Now()
		d.mu.Lock()
		closed, l := d.closed, d.link
		changed := waitOn(&d.link.changed)
		d.mu.Unlock()
		until := l.since.Add(long)
		switch {
		case !l.up():
			until = l.waitLimit(&d.cfg)
		case enough(&l):
			until = l.since
		}
		if last.Before(until) {
			until = last
		}
		switch {
		case closed != nil:
			return closed
		case now.Before(until):
		case l.up():
			return nil
		default:
			return &UnavailableError{State: Disconnected, Since: l.since}
		}
		if timer == nil {
			timer = time.NewTimer(until.Sub(now))
			defer timer.Stop()
		} else {
			timer.Reset(until.Sub(now))
		}
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

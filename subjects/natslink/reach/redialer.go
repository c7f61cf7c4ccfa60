package reach

import (
	"context"
	"net"
	"net/url"
	"sync"
	"time"

	"github.com/fairlead-io/fairlead/subjects/natslink"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial"
)

// Steady is how long a connection must last to count as a success: longer than the
// longest pause between two attempts. Otherwise a broker that accepts a client and then
// cuts it would be called without a pause, since each attempt succeeds.
const Steady = 15 * time.Second

// Redialer makes the connections of one [natslink.Connect]: its attempts one after the
// other, each at the server whose turn it is. nats.go knows nothing of the choice. All
// redialers of a broker share what its servers ask for. Dial and RetryDelay are for nats.go,
// which calls them one at a time; the other methods are safe for concurrent use.
type Redialer struct {
	ctx    context.Context
	broker *Broker

	// For Dial and RetryDelay.
	untold    bool       // a server refused an attempt of this round for the rate, and did not say for how long
	queue     []*url.URL // those that are not tried yet in this round, the next one first
	attempts  int        // rounds that ended without a steady connection
	failed    bool       // the latest attempt did not get to the NATS protocol
	last      *url.URL   // the server of the latest one that did
	connected time.Time  // when that was

	mu    sync.Mutex  // guards the rest
	until time.Time   // the next attempt is then, zero for soon
	clock *dial.Clock // of the other end, nil until it is known
	at    string      // the server of the latest connection, "" before
}

// Redialer returns a redialer whose attempts end with ctx.
func (b *Broker) Redialer(ctx context.Context) *Redialer { return &Redialer{ctx: ctx, broker: b} }

// SkipTLSHandshake tells nats.go that TLS is none of its business.
func (*Redialer) SkipTLSHandshake() bool { return true }

// AttemptError says at which server an attempt failed. It wraps a [cause.Failure].
type AttemptError struct {
	// Server is its URL, as shown to people.
	Server string
	Err    error
}

func (e *AttemptError) Error() string { return e.Server + ": " + e.Err.Error() }

// Unwrap returns why it failed.
func (e *AttemptError) Unwrap() error { return e.Err }

// Dial implements nats.CustomDialer: one attempt at one server. It ignores its
// arguments. The error is an [AttemptError].
func (r *Redialer) Dial(_, _ string) (net.Conn, error) {
	server, probe, err := r.next()
	var conn net.Conn
	if err == nil {
		conn, err = r.dial(server)
		held, untold := r.broker.limits.note(server, probe, err)
		r.untold = r.untold || untold
		if err != nil && held != nil {
			err = held // it may say more
		}
	}
	if r.failed = err != nil; r.failed {
		return nil, &AttemptError{natslink.ShownServer(server), err}
	}
	r.last, r.connected = server, time.Now()
	r.mu.Lock()
	r.at = natslink.ShownServer(server)
	r.mu.Unlock()
	return conn, nil
}

func (r *Redialer) dial(server *url.URL) (net.Conn, error) {
	d, err := r.broker.Dialer(server)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(r.ctx, d.Abort)()
	conn, err := d.Dial("", "")
	if clock := d.OtherClock(); clock != nil {
		r.mu.Lock()
		r.clock = clock
		r.mu.Unlock()
	}
	return conn, err
}

// next returns the server to be tried, and whether others wait for that. The error is why
// it must not be: all ask to be left alone, this one for the shortest time.
func (r *Redialer) next() (server *url.URL, probe bool, held error) {
	if len(r.queue) == 0 {
		r.untold = false
		r.queue = r.broker.Order(r.last)
	}
	for len(r.queue) > 0 {
		server, r.queue = r.queue[0], r.queue[1:]
		if probe, held = r.broker.limits.take(server); held == nil {
			return server, probe, nil
		}
	}
	if first, why := r.broker.limits.first(r.broker.servers); why != nil {
		server, held = first, why
	}
	return server, false, held
}

// RetryDelay returns how long to wait before the next attempt: nothing while there are
// servers that this round has not tried.
func (r *Redialer) RetryDelay(int) time.Duration {
	var wait time.Duration
	var until time.Time
	if !r.failed || len(r.queue) == 0 {
		if !r.failed && time.Since(r.connected) >= Steady {
			r.attempts, r.queue = 0, nil
		}
		r.attempts++
		wait, until = r.broker.limits.delay(r.broker.servers, r.attempts, r.untold)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.until = until
	return wait
}

// Until returns when the next attempt is, if every server asks to be left alone until
// then, otherwise zero.
func (r *Redialer) Until() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Now().Before(r.until) {
		return r.until
	}
	return time.Time{}
}

// Server returns the server of the latest connection, as it is shown, "" before the first.
func (r *Redialer) Server() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at
}

// OtherClock returns the clock of the other end or of a proxy on the way, as the latest
// attempt that could tell has shown it: see [dial.Dialer.OtherClock]. It is nil for none.
func (r *Redialer) OtherClock() *dial.Clock {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.clock
}

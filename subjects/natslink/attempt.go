package natslink

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/subjects/natslink/lane"
)

// attempts dials for a [nats.Conn] and can end its attempts to connect. nats.go
// holds the lock of a connection while it dials and greets the broker. So all its
// methods, Close included, wait for a broker that does not answer, for up to
// dialTimeout each. Once ctx ends, an attempt that is under way fails at once, and
// so does every later one. An established connection stays, but its writes, during
// which nats.go holds the lock too, get partingTimeout instead of writeTimeout.
type attempts struct {
	ctx   context.Context
	inner nats.CustomDialer // nil: attempts dials by itself, within limit
	limit time.Duration     // of one attempt
	// latest is why the latest one failed before the protocol of NATS.
	latest *latestFailure
	// lane is the short way for frames over the connections; nil if nats.go does TLS there.
	lane *lane.Lane
}

// latestFailure keeps an error that nats.go hides. It is safe for concurrent use; the
// zero value has none.
type latestFailure struct{ err atomic.Pointer[error] }

// behind returns what is behind an error of nats.go: for a first attempt that is refused
// by the server's system, it says only that there are no servers.
func (l *latestFailure) behind(err error) error {
	if at := l.err.Load(); at != nil && errors.Is(err, nats.ErrNoServers) {
		return *at
	}
	return err
}

func (l *latestFailure) note(err error) error {
	l.err.Store(&err)
	return err
}

// Dial implements [nats.CustomDialer].
func (a attempts) Dial(network, address string) (net.Conn, error) {
	if err := context.Cause(a.ctx); err != nil {
		return nil, err
	}
	if a.inner != nil {
		c, err := a.inner.Dial(network, address)
		if err != nil {
			return nil, a.latest.note(err)
		}
		return a.watch(c), nil
	}
	deadline := time.Now().Add(a.limit)
	c, err := a.dial(network, address)
	if err != nil {
		return nil, a.latest.note(err)
	}
	// nats.go sets a deadline only after the TLS handshake of a WebSocket. For the
	// handshake itself it would wait forever.
	_ = c.SetDeadline(deadline)
	return a.watch(c), nil
}

// SkipTLSHandshake reports whether TLS is the inner dialer's alone: nats.go asks it
// before a handshake of its own.
func (a attempts) SkipTLSHandshake() bool {
	inner, ok := a.inner.(interface{ SkipTLSHandshake() bool })
	return ok && inner.SkipTLSHandshake()
}

// dial tries the addresses of a host in random order, as nats.go does without a
// dialer of ours: the nodes of a broker may share one name.
func (a attempts) dial(network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(a.ctx, a.limit)
	defer cancel()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	hosts, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return nil, err
	}
	rand.Shuffle(len(hosts), func(i, j int) { hosts[i], hosts[j] = hosts[j], hosts[i] })
	d := net.Dialer{Timeout: a.limit / time.Duration(len(hosts))}
	var c net.Conn
	for _, h := range hosts {
		if c, err = d.DialContext(ctx, network, net.JoinHostPort(h, port)); err == nil {
			return c, nil
		}
	}
	return nil, err
}

// inProcessAttempts is the same for connections to an embedded broker.
type inProcessAttempts struct {
	attempts
	provider nats.InProcessConnProvider
}

// InProcessConn implements [nats.InProcessConnProvider].
func (a inProcessAttempts) InProcessConn() (net.Conn, error) {
	if err := context.Cause(a.ctx); err != nil {
		return nil, err
	}
	c, err := a.provider.InProcessConn()
	if err != nil {
		return nil, err
	}
	return a.watch(c), nil
}

// watch closes c if ctx ends before the attempt is over.
func (a attempts) watch(c net.Conn) net.Conn {
	w := &attempt{Conn: &heardConn{Conn: &loginConn{Conn: c}}, ctx: a.ctx}
	w.unwatch = context.AfterFunc(a.ctx, w.ended)
	if a.lane == nil {
		return w
	}
	return a.lane.Wrap(w)
}

// Lane returns the short way for frames over the connections: see [lane.Of].
func (a attempts) Lane() *lane.Lane { return a.lane }

// attempt is a connection that may still be on its way to being established.
type attempt struct {
	net.Conn
	ctx     context.Context
	over    atomic.Bool // it is established
	unwatch func() bool
}

// ended is called when ctx has ended. A write that is under way holds the lock of
// the connection, so it gets little time.
func (c *attempt) ended() {
	if c.over.Load() {
		_ = c.Conn.SetWriteDeadline(time.Now().Add(partingTimeout))
	} else {
		_ = c.Conn.Close()
	}
}

// SetDeadline implements [net.Conn]. nats.go sets a deadline for the greeting and
// removes it after the greeting; it sets no deadline later.
func (c *attempt) SetDeadline(t time.Time) error {
	if t.IsZero() {
		c.over.Store(true)
	}
	return c.Conn.SetDeadline(t)
}

// SetWriteDeadline implements [net.Conn]. nats.go sets one for each write.
func (c *attempt) SetWriteDeadline(t time.Time) error {
	if limit := time.Now().Add(partingTimeout); c.ctx.Err() != nil && t.After(limit) {
		t = limit
	}
	return c.Conn.SetWriteDeadline(t)
}

// Write implements [net.Conn]. nats.go writes again after a failure, in order to
// close the connection, and would wait once more: so the connection is closed here.
func (c *attempt) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if err != nil && c.ctx.Err() != nil {
		_ = c.Conn.Close()
	}
	return n, err
}

// Close implements [net.Conn].
func (c *attempt) Close() error {
	c.unwatch()
	return c.Conn.Close()
}

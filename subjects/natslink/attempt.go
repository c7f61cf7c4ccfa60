package natslink

import (
	"context"
	"math/rand/v2"
	"net"
	"time"

	"github.com/nats-io/nats.go"
)

// attempts makes the connections of a [nats.Conn] whose attempts to connect can
// be ended. nats.go holds the lock of a connection while it dials and greets
// the broker, so that all its methods, Close included, wait for a broker that
// does not answer: for up to dialTimeout each. Once ctx ends, an attempt that is
// under way fails at once, and so does every later one; a connection that is
// established stays.
type attempts struct {
	ctx   context.Context
	inner nats.CustomDialer // nil: the default one
}

// Dial implements [nats.CustomDialer].
func (a attempts) Dial(network, address string) (net.Conn, error) {
	if err := context.Cause(a.ctx); err != nil {
		return nil, err
	}
	dial := a.dial
	if a.inner != nil {
		dial = a.inner.Dial
	}
	c, err := dial(network, address)
	if err != nil {
		return nil, err
	}
	return a.watch(c), nil
}

// dial tries the addresses of a host in random order, as nats.go does by
// itself: a broker's nodes may share one name.
func (a attempts) dial(network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(a.ctx, dialTimeout)
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
	d := net.Dialer{Timeout: dialTimeout / time.Duration(len(hosts))}
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
	return &attempt{Conn: c, over: context.AfterFunc(a.ctx, func() { _ = c.Close() })}
}

// attempt is a connection that may still be on its way to being established.
type attempt struct {
	net.Conn
	over func() bool // the end of ctx does not close the connection any more
}

// SetDeadline implements [net.Conn]. nats.go sets a deadline for the greeting
// and takes it away when that is over; it sets none afterwards.
func (c *attempt) SetDeadline(t time.Time) error {
	if t.IsZero() {
		c.over()
	}
	return c.Conn.SetDeadline(t)
}

// Close implements [net.Conn].
func (c *attempt) Close() error {
	c.over()
	return c.Conn.Close()
}

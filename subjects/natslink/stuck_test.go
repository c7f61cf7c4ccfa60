package natslink

import (
	"net"
	"sync"
	"time"
)

// stuckDialer connects to a broker that reads nothing any more once stop is closed: each
// write after that waits until its deadline, or until the connection is closed.
type stuckDialer struct {
	broker  string
	stop    chan struct{}
	blocked chan struct{} // closed once a write waits for ever
	block   func()
}

func newStuckDialer(broker string) *stuckDialer {
	d := &stuckDialer{broker: broker, stop: make(chan struct{}), blocked: make(chan struct{})}
	d.block = sync.OnceFunc(func() { close(d.blocked) })
	return d
}

func (d *stuckDialer) Dial(network, _ string) (net.Conn, error) {
	broker, err := net.Dial(network, d.broker)
	if err != nil {
		return nil, err
	}
	unread, _ := net.Pipe()
	return &stuckConn{broker, unread, d}, nil
}

// SkipTLSHandshake: with a lane, as in agents and bridges.
func (d *stuckDialer) SkipTLSHandshake() bool { return true }

type stuckConn struct {
	net.Conn
	unread net.Conn // has no buffer, and nobody reads the other end
	d      *stuckDialer
}

func (c *stuckConn) Write(b []byte) (int, error) {
	select {
	case <-c.d.stop:
		c.d.block()
		return c.unread.Write(b)
	default:
		return c.Conn.Write(b)
	}
}

func (c *stuckConn) SetDeadline(t time.Time) error {
	_ = c.unread.SetDeadline(t)
	return c.Conn.SetDeadline(t)
}

func (c *stuckConn) SetWriteDeadline(t time.Time) error {
	_ = c.unread.SetWriteDeadline(t)
	return c.Conn.SetWriteDeadline(t)
}

func (c *stuckConn) Close() error {
	_ = c.unread.Close()
	return c.Conn.Close()
}

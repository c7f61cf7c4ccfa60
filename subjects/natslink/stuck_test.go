package natslink

import (
	"io"
	"net"
	"sync"
	"testing"
)

// stuckDialer connects to a broker over a pipe without a buffer, of which nothing
// is read any more on demand.
type stuckDialer struct {
	t       *testing.T
	broker  string
	stop    chan struct{} // closed: read once more, and then nothing
	stuck   chan struct{} // closed by then
	blocked chan struct{} // closed once a write waits for ever
	block   func()
}

func newStuckDialer(t *testing.T, broker string) *stuckDialer {
	d := &stuckDialer{t: t, broker: broker, stop: make(chan struct{}), stuck: make(chan struct{}), blocked: make(chan struct{})}
	d.block = sync.OnceFunc(func() { close(d.blocked) })
	return d
}

func (d *stuckDialer) Dial(network, _ string) (net.Conn, error) {
	broker, err := net.Dial(network, d.broker)
	if err != nil {
		return nil, err
	}
	near, far := net.Pipe()
	var wg sync.WaitGroup
	wg.Go(func() {
		b := make([]byte, 64<<10)
		for {
			n, err := far.Read(b)
			select {
			case <-d.stop:
				close(d.stuck)
				return
			default:
			}
			if _, werr := broker.Write(b[:n]); err != nil || werr != nil {
				return
			}
		}
	})
	wg.Go(func() { _, _ = io.Copy(far, broker) })
	d.t.Cleanup(func() {
		_, _ = far.Close(), broker.Close()
		wg.Wait()
	})
	return &stuckConn{near, d}, nil
}

// SkipTLSHandshake: with a lane, as in agents and bridges.
func (d *stuckDialer) SkipTLSHandshake() bool { return true }

type stuckConn struct {
	net.Conn
	d *stuckDialer
}

func (c *stuckConn) Write(b []byte) (int, error) {
	select {
	case <-c.d.stuck:
		c.d.block()
	default:
	}
	return c.Conn.Write(b)
}

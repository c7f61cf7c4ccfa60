package broker

import (
	"bytes"
	"errors"
	"net"
	"sync"
)

// errDraining is why there are no new connections; the server would leave an
// in-process one hanging.
var errDraining = errors.New("broker: draining")

// InProcessConn connects without a socket, for a bridge in the same process.
// The user must be allowed the connection type IN_PROCESS.
func (b *Broker) InProcessConn() (net.Conn, error) {
	if b.draining.Load() {
		return nil, errDraining
	}
	conn, err := b.server.InProcessConn()
	if err != nil {
		return nil, err
	}
	return &inProcessConn{Conn: conn}, nil
}

// earlyWrites is how many writes a client makes before it reads whether it is
// let in: CONNECT and PING.
const earlyWrites = 2

// inProcessConn lets the early writes return at once. On a bare pipe a refusal
// takes 10 seconds: the server stops reading after CONNECT and writes why,
// while the client waits for PING to be read.
type inProcessConn struct {
	net.Conn

	mu       sync.Mutex // one write at a time, in order
	early    int        // how many early writes there were
	previous chan error // the outcome of the last early write; nil if known
}

func (c *inProcessConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.early < earlyWrites {
		c.early++
		c.writeEarly(bytes.Clone(p))
		return len(p), nil
	}
	if c.previous != nil {
		err := <-c.previous
		c.previous = nil
		if err != nil {
			return 0, err
		}
	}
	return c.Conn.Write(p)
}

// writeEarly leaves a goroutine behind that ends when the server has read p, or
// when either end is closed.
func (c *inProcessConn) writeEarly(p []byte) {
	before, done := c.previous, make(chan error, 1)
	c.previous = done
	go func() {
		var err error
		if before != nil {
			err = <-before
		}
		if err == nil {
			_, err = c.Conn.Write(p)
		}
		done <- err
	}()
}

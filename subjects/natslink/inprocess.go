package natslink

import (
	"net"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"
)

// InProcess wraps the connections of an embedded broker, so that the greeting does
// not wait until the broker has read all of it. The connections are pipes without a
// buffer. A broker that refuses a CONNECT stops reading and writes the reason, while
// nats.go still writes its PING and does not read: without the wrapper, only
// time-outs of 10 s end that.
func InProcess(provider nats.InProcessConnProvider) nats.InProcessConnProvider {
	return inProcess{provider}
}

type inProcess struct{ nats.InProcessConnProvider }

// InProcessConn implements [nats.InProcessConnProvider].
func (p inProcess) InProcessConn() (net.Conn, error) {
	c, err := p.InProcessConnProvider.InProcessConn()
	if err != nil {
		return nil, err
	}
	return &pipeConn{Conn: c}, nil
}

// pipeConn buffers the greeting: the two short messages that are written before the
// broker answers. It passes everything else through.
type pipeConn struct {
	net.Conn
	greeted atomic.Bool // the greeting is over and written

	mu       sync.Mutex // guards the fields below
	pending  [][]byte   // of the greeting, not yet written
	writing  chan struct{}
	err      error // of writing the greeting
	greeting bool  // the greeting has begun
	answered bool
}

// Read implements [net.Conn].
func (c *pipeConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.greeted.Load() {
		return n, err
	}
	c.mu.Lock()
	c.answered = c.answered || c.greeting
	c.mu.Unlock()
	return n, err
}

// Write implements [net.Conn]; one goroutine at a time writes.
func (c *pipeConn) Write(b []byte) (int, error) {
	if c.greeted.Load() {
		return c.Conn.Write(b)
	}
	c.mu.Lock()
	if !c.answered {
		defer c.mu.Unlock()
		if c.err != nil {
			return 0, c.err
		}
		c.greeting = true
		c.pending = append(c.pending, append([]byte(nil), b...))
		if c.writing == nil {
			c.writing = make(chan struct{})
			go c.greet(c.writing)
		}
		return len(b), nil
	}
	writing := c.writing
	c.mu.Unlock()
	if writing != nil {
		<-writing
	}
	c.mu.Lock()
	err := c.err
	c.mu.Unlock()
	if err != nil {
		return 0, err
	}
	c.greeted.Store(true)
	return c.Conn.Write(b)
}

// greet writes the pending messages. Closing the connection ends it.
func (c *pipeConn) greet(done chan struct{}) {
	defer close(done)
	for {
		c.mu.Lock()
		if len(c.pending) == 0 || c.err != nil {
			c.writing = nil
			c.mu.Unlock()
			return
		}
		b := c.pending[0]
		c.pending = c.pending[1:]
		c.mu.Unlock()
		if _, err := c.Conn.Write(b); err != nil {
			c.mu.Lock()
			c.err = err
			c.mu.Unlock()
		}
	}
}

package stream

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/nettest"
)

// conn makes a net.Conn of a stream, with the meaning that Close has in TCP:
// what was written still arrives, nothing more is read.
type conn struct {
	*Stream
	mu     sync.Mutex
	closed bool
}

type streamAddr string

func (a streamAddr) Network() string { return "stream" }
func (a streamAddr) String() string  { return string(a) }

func (c *conn) LocalAddr() net.Addr  { return streamAddr("local") }
func (c *conn) RemoteAddr() net.Addr { return streamAddr(c.Addr()) }

func (c *conn) Read(b []byte) (int, error) {
	if c.isClosed() {
		return 0, net.ErrClosed
	}
	return c.Stream.Read(b)
}

func (c *conn) Write(b []byte) (int, error) {
	if c.isClosed() {
		return 0, net.ErrClosed
	}
	return c.Stream.Write(b)
}

func (c *conn) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

func (c *conn) Close() error {
	c.mu.Lock()
	was := c.closed
	c.closed = true
	c.mu.Unlock()
	if was {
		return net.ErrClosed
	}
	c.StopReading()
	// A writer that waits for credit gives up; the end follows what it wrote.
	_ = c.SetWriteDeadline(aLongTimeAgo)
	if err := c.CloseWrite(); err != ErrStopped { // else the peer has closed too
		return err
	}
	return nil
}

// connPair makes two ends of a stream over perfect wires.
func connPair() (c1, c2 net.Conn, stop func(), err error) {
	accepted, done := make(chan *Stream), make(chan struct{})
	p := &pair{down: newWire(faults{}, 1), up: newWire(faults{}, 2)}
	p.opener = New(Config{}, wireLink{p.down})
	p.acceptor = New(Config{Handler: func(s *Stream) {
		// The opening carries one byte that is not the test's.
		if _, err := io.ReadFull(s, make([]byte, 1)); err != nil {
			return
		}
		accepted <- s
		<-done
	}}, wireLink{p.up})
	p.connect()
	o, err := p.opener.Open(context.Background(), "agent", []byte{0}, false)
	if err != nil {
		return nil, nil, nil, err
	}
	a := <-accepted
	return &conn{Stream: o}, &conn{Stream: a}, func() {
		o.Close()
		a.Close()
		close(done)
		p.close()
	}, nil
}

// aLongTimeAgo is a deadline that has passed.
var aLongTimeAgo = time.Unix(1, 0)

func TestConn(t *testing.T) { nettest.TestConn(t, connPair) }

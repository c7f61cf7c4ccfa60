package resume

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Config is of one end.
type Config struct {
	// Ping is how often the other end is asked for a sign of life while an attachment
	// lasts; 0: never. One of the two ends should.
	Ping time.Duration
	// Silence is how long an attachment may bring nothing before it counts as lost.
	Silence time.Duration
	// Local and Remote are what the methods of [net.Conn] return.
	Local, Remote net.Addr
}

// Conn is one end of a connection. It is a [net.Conn], and safe for concurrent use. An end
// of the stream that was closed, a broken connection and what ended it for good
// ([Conn.Fail]) look as with TCP, after the bytes that came before.
type Conn struct {
	cfg Config

	mu       sync.Mutex
	changed  chan struct{} // closed, and replaced, whenever what mu guards has changed
	out      outgoing
	in       incoming
	shut     bool  // Close was called
	abrupt   bool  // and is to break the connection
	err      error // why the connection is over for good; nil: it is not
	attached *attachment

	reading, writing deadline
}

// outgoing is what this end sends.
type outgoing struct {
	unconsumed []byte // from offset base
	base       uint64
	end        *ending // nil: it goes on
	endDone    bool    // the other end needs no more of it
}

func (o *outgoing) top() uint64 { return o.base + uint64(len(o.unconsumed)) }

// incoming is what this end gets.
type incoming struct {
	unread   []byte
	consumed uint64 // offset of unread
	end      *ending
	told     uint64 // the last offset that was told as consumed
	owed     bool   // the other end waits to be told
}

func (i *incoming) top() uint64 { return i.consumed + uint64(len(i.unread)) }

// ending is how a direction ends.
type ending struct {
	kind   kind
	reason string
}

// New returns an end without an attachment.
func New(cfg Config) *Conn { return &Conn{cfg: cfg, changed: make(chan struct{})} }

// change wakes whoever waits; c.mu is held.
func (c *Conn) change() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// wait waits for a change after which what was looked at, under c.mu, may be another. c.mu
// is unlocked meanwhile.
func (c *Conn) wait(d *deadline) {
	changed := c.changed
	c.mu.Unlock()
	select {
	case <-changed:
	case <-d.wait():
	}
	c.mu.Lock()
}

// Read implements [net.Conn].
func (c *Conn) Read(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case c.shut:
			return 0, net.ErrClosed
		case isClosed(c.reading.wait()):
			return 0, os.ErrDeadlineExceeded
		case len(b) == 0:
			return 0, nil
		case len(c.in.unread) > 0:
			n := copy(b, c.in.unread)
			c.consume(n)
			return n, nil
		case c.in.end != nil:
			if c.in.end.kind == broken {
				return 0, fmt.Errorf("%w: %s", syscall.ECONNRESET, c.in.end.reason)
			}
			if c.in.end.kind == half && c.in.told <= c.in.consumed {
				c.in.owed = true
				c.change()
			}
			return 0, io.EOF
		case c.err != nil:
			return 0, c.err
		}
		c.wait(&c.reading)
	}
}

// consume notes that the first n bytes were read; c.mu is held.
func (c *Conn) consume(n int) {
	c.in.unread = c.in.unread[n:]
	c.in.consumed += uint64(n)
	if len(c.in.unread) == 0 {
		c.in.unread = nil // a burst must not keep its memory
	}
	if c.in.consumed >= c.in.told+ackAfter {
		c.in.owed = true
		c.change()
	}
}

// Write implements [net.Conn]. It returns when the last byte is in the window.
func (c *Conn) Write(b []byte) (n int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case c.shut:
			return n, net.ErrClosed
		case c.out.end != nil || c.in.end != nil && c.in.end.kind != half:
			return n, syscall.EPIPE
		case c.err != nil:
			return n, c.err
		case isClosed(c.writing.wait()):
			return n, os.ErrDeadlineExceeded
		case len(b) == 0:
			return n, nil
		}
		if free := Window - len(c.out.unconsumed); free > 0 {
			m := min(free, len(b))
			c.out.unconsumed = append(c.out.unconsumed, b[:m]...)
			n, b = n+m, b[m:]
			c.change()
			continue
		}
		c.wait(&c.writing)
	}
}

// CloseWrite ends the stream of this direction.
func (c *Conn) CloseWrite() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.shut:
		return net.ErrClosed
	case c.err != nil:
		return c.err
	case c.out.end == nil:
		c.out.end = &ending{kind: half}
		c.change()
	}
	return nil
}

// SetLinger with 0 makes [Conn.Close] break the connection, as that of [net.TCPConn] does.
func (c *Conn) SetLinger(seconds int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.abrupt = seconds == 0
	return nil
}

// Close ends both directions. What was written before still goes to the other end while
// there is an attachment, or when one comes. It does not wait for that: see [Conn.Done].
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shut {
		return net.ErrClosed
	}
	// Where both directions have ended, the other end may be gone; else it is to know.
	c.out.endDone = c.out.endDone && c.in.end != nil
	c.shut = true
	c.out.end = &ending{kind: closed}
	if c.abrupt {
		c.out.end = &ending{kind: broken, reason: "the connection was broken off"}
	}
	c.discard()
	c.change()
	return nil
}

// discard consumes all there is, as nobody reads it any more; c.mu is held.
func (c *Conn) discard() {
	c.in.consumed, c.in.unread = c.in.top(), nil
	c.in.owed = true
}

// Fail ends the connection for good, on this side alone. Only the first cause counts.
func (c *Conn) Fail(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fail(cause)
}

func (c *Conn) fail(cause error) {
	if c.err == nil {
		c.err = cause
		c.change()
	}
}

// over reports whether nothing is left to exchange; c.mu is held.
func (c *Conn) over() bool {
	told := c.in.end != nil && c.in.told > c.in.top()
	switch {
	case c.in.end != nil && c.in.end.kind != half: // it reads no more, either
		return told
	case c.in.end == nil:
		return c.shut && c.out.endDone
	}
	return told && c.out.end != nil && c.out.endDone
}

// Done reports whether the connection needs no attachment any more: each end has what it
// will ever need of the other.
func (c *Conn) Done() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err != nil || c.over() || c.in.end != nil && c.in.end.kind != half
}

// Received is how far this end has the stream of the other: what a new attachment tells it.
func (c *Conn) Received() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.in.end != nil {
		return c.in.top() + 1
	}
	return c.in.top()
}

// Err is why the connection is over for good; nil: it is not.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Wait returns when the connection needs no attachment any more, or when stop is closed.
func (c *Conn) Wait(stop <-chan struct{}) {
	for {
		c.mu.Lock()
		changed := c.changed
		c.mu.Unlock()
		if c.Done() {
			return
		}
		select {
		case <-changed:
		case <-stop:
			return
		}
	}
}

// LocalAddr implements [net.Conn].
func (c *Conn) LocalAddr() net.Addr { return c.cfg.Local }

// RemoteAddr implements [net.Conn].
func (c *Conn) RemoteAddr() net.Addr { return c.cfg.Remote }

// SetDeadline implements [net.Conn].
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline implements [net.Conn].
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.reading.set(t)
	return nil
}

// SetWriteDeadline implements [net.Conn].
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.writing.set(t)
	return nil
}

// Shut reports whether Close was called.
func (c *Conn) Shut() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.shut
}

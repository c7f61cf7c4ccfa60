package lane

import (
	"net"
	"strconv"
	"sync"
	"time"
)

const (
	// maxWaiting is how many bytes wait for the connection before publishers do, not counting
	// the last message. It is little: a small message waits for all of them.
	maxWaiting = 32 << 10
	// alone is the size in bytes from which a message does not wait for others to share its write:
	// it is several TLS records by itself.
	alone = 4 << 10
	// deadlineEvery is the least time between two changes of the deadline of writes, which
	// costs a timer each.
	deadlineEvery = time.Second
)

// conn is one connection of a lane. nats.go reads from one goroutine at a time; all else may
// be called concurrently.
type conn struct {
	net.Conn
	lane *Lane
	in   reader

	mu          sync.Mutex // guards the fields below
	room        sync.Cond  // publishers wait for it: less than maxWaiting waits, or err is set
	change      sync.Cond  // nats.go waits for it: something was written, or err is set
	established bool       // the greeting is over
	writing     bool       // somebody writes to Conn, or is about to
	waiting     []byte     // to be written after that
	queued      uint64     // bytes that were ever put into waiting
	written     uint64     // of these, those that were written
	err         error      // why nothing can be written any more

	deadline time.Time // when it was last set; of who writes
	turns    turns     // the same
}

// buffers are those of all connections: one that has nothing to write has none.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// buffer makes waiting a buffer. The caller holds mu.
func (c *conn) buffer() {
	if c.waiting == nil {
		c.waiting = *buffers.Get().(*[]byte)
	}
}

func newConn(c net.Conn, l *Lane) *conn {
	w := &conn{Conn: c, lane: l}
	w.room.L, w.change.L = &w.mu, &w.mu
	return w
}

// open lets messages be published here, if the other end speaks the protocol.
func (c *conn) open() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.established && c.err == nil && !c.in.blind.Load() {
		c.lane.open.Store(c)
	}
}

// publish writes a message, or leaves it to who is writing.
func (c *conn) publish(subject, reply string, payload []byte) error {
	c.mu.Lock()
	for len(c.waiting) >= maxWaiting && c.err == nil {
		c.room.Wait()
	}
	if c.err != nil {
		c.mu.Unlock()
		return errNotOpen
	}
	c.buffer()
	before := len(c.waiting)
	c.waiting = appendMessage(c.waiting, subject, reply, payload)
	c.queued += uint64(len(c.waiting) - before)
	if len(c.waiting) < maxWaiting {
		c.room.Signal() // one wakes the next: not all of them, for the place of one
	}
	if c.writing {
		c.mu.Unlock()
		return nil
	}
	c.writing = true
	if len(payload) < alone {
		c.mu.Unlock()
		c.turns.give()
		c.mu.Lock()
	}
	c.writeWaiting()
	return nil
}

// Write implements [net.Conn] for nats.go, whose writes are whole messages too. It returns
// once b is written, as nats.go expects before it closes the connection.
func (c *conn) Write(b []byte) (int, error) {
	c.mu.Lock()
	if !c.established {
		c.mu.Unlock()
		return c.Conn.Write(b)
	}
	if c.err != nil {
		defer c.mu.Unlock()
		return 0, c.err
	}
	c.buffer()
	c.waiting = append(c.waiting, b...)
	c.queued += uint64(len(b))
	end := c.queued
	if !c.writing {
		c.writing = true
		c.writeWaiting()
		c.mu.Lock()
	}
	defer c.mu.Unlock()
	for c.written < end && c.err == nil {
		c.change.Wait()
	}
	if c.written < end {
		return 0, c.err
	}
	return len(b), nil
}

// writeWaiting writes what waits. What comes meanwhile is written by a goroutine of its own, so
// that nobody writes for others for long. The caller holds mu, which is released, and has set
// writing.
func (c *conn) writeWaiting() {
	c.writeOnce()
	if len(c.waiting) > 0 && c.err == nil {
		go func() {
			c.mu.Lock()
			for len(c.waiting) > 0 && c.err == nil {
				c.writeOnce()
			}
			c.writing = false
			c.mu.Unlock()
		}()
	} else {
		c.writing = false
	}
	c.mu.Unlock()
}

// writeOnce makes one write of what waits. The caller holds mu, which is released meanwhile,
// and it is its turn.
func (c *conn) writeOnce() {
	if c.err != nil {
		return
	}
	b := c.waiting
	c.waiting = nil
	c.room.Signal()
	c.mu.Unlock()
	if now := time.Now(); now.Sub(c.deadline) >= deadlineEvery {
		c.deadline = now
		_ = c.Conn.SetWriteDeadline(now.Add(c.lane.WriteTimeout + deadlineEvery)) // fails only when it is closed
	}
	_, err := c.Conn.Write(b)
	c.mu.Lock()
	if cap(b) <= 4*maxWaiting { // more was nats.go's
		b := b[:0]
		buffers.Put(&b)
	}
	if err == nil {
		c.written += uint64(len(b))
	} else if c.err == nil {
		// Part of a message may have been written: nothing can follow it.
		c.end(err)
		_ = c.Conn.Close()
	}
	c.change.Broadcast()
}

// reason returns why a read failed: if a write failed before, that is why.
func (c *conn) reason(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil && c.err != net.ErrClosed {
		return c.err
	}
	return err
}

// end notes why nothing can be written any more. The caller holds mu.
func (c *conn) end(err error) {
	c.err = err
	c.lane.open.CompareAndSwap(c, nil)
	c.change.Broadcast()
	c.room.Broadcast()
}

// SetDeadline implements [net.Conn]. nats.go sets a deadline for the greeting and removes it
// after the greeting; it sets no deadline later.
func (c *conn) SetDeadline(t time.Time) error {
	err := c.Conn.SetDeadline(t)
	if t.IsZero() {
		c.mu.Lock()
		c.established = true
		c.mu.Unlock()
	}
	return err
}

// SetWriteDeadline implements [net.Conn]. nats.go sets one for each write and removes it
// afterwards, when another write may be under way: after the greeting, each has the lane's.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	established := c.established
	c.mu.Unlock()
	if established {
		return nil
	}
	return c.Conn.SetWriteDeadline(t)
}

// Close implements [net.Conn].
func (c *conn) Close() error {
	c.mu.Lock()
	if c.err == nil {
		c.end(net.ErrClosed)
	}
	c.mu.Unlock()
	return c.Conn.Close()
}

// appendMessage appends a PUB with its payload.
func appendMessage(b []byte, subject, reply string, payload []byte) []byte {
	b = append(b, "PUB "...)
	b = append(b, subject...)
	b = append(b, ' ')
	if reply != "" {
		b = append(b, reply...)
		b = append(b, ' ')
	}
	b = strconv.AppendInt(b, int64(len(payload)), 10)
	b = append(b, "\r\n"...)
	b = append(b, payload...)
	return append(b, "\r\n"...)
}

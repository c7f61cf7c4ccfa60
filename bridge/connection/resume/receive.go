package resume

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// receive takes what arrives, until the transport fails or the peer breaks the protocol,
// which ends the connection.
func (c *Conn) receive(ctx context.Context, t Transport, silence *time.Timer) error {
	for {
		b, err := t.Receive(ctx)
		if err != nil {
			return err
		}
		silence.Reset(c.cfg.Silence)
		m, err := parse(b)
		if err == nil {
			err = c.take(m)
		}
		if err != nil {
			c.Fail(err)
			return err
		}
	}
}

// take does what a message says.
func (c *Conn) take(m message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch m.kind {
	case data:
		return c.takeData(m)
	case consumed:
		return c.takeConsumed(m.offset)
	case half, closed, broken:
		return c.takeEnd(m)
	}
	c.in.owed = true // a ping
	c.change()
	return nil
}

// takeData adds bytes to the stream, without those that have arrived already.
func (c *Conn) takeData(m message) error {
	top := c.in.top()
	switch {
	case m.offset > top:
		return fmt.Errorf("%w: bytes from %d after those before %d", ErrProtocol, m.offset, top)
	case m.offset+uint64(len(m.rest)) <= top:
		return nil
	case c.in.end != nil:
		return fmt.Errorf("%w: bytes behind the end", ErrProtocol)
	}
	fresh := m.rest[top-m.offset:]
	if len(c.in.unread)+len(fresh) > Window {
		return fmt.Errorf("%w: more than %d bytes that were not consumed", ErrProtocol, Window)
	}
	c.in.unread = append(c.in.unread, fresh...)
	if c.shut {
		c.discard()
	}
	c.change()
	return nil
}

// takeConsumed forgets what the other end needs no more.
func (c *Conn) takeConsumed(offset uint64) error {
	if offset < c.out.base { // of an earlier attachment, or of a ping
		return nil
	}
	top := c.out.top()
	if offset > top && (offset > top+1 || c.out.end == nil) {
		return fmt.Errorf("%w: it has consumed %d bytes of %d", ErrProtocol, offset, top)
	}
	if offset > top {
		c.out.endDone = true
		offset = top
	}
	c.out.unconsumed = c.out.unconsumed[offset-c.out.base:]
	if c.out.base = offset; len(c.out.unconsumed) == 0 {
		c.out.unconsumed = nil
	}
	c.change()
	return nil
}

// takeEnd notes how the stream ends. A later end may only be a harder one.
func (c *Conn) takeEnd(m message) error {
	if top := c.in.top(); m.offset != top {
		return fmt.Errorf("%w: an end at %d after %d bytes", ErrProtocol, m.offset, top)
	}
	if len(m.rest) > maxReason {
		return fmt.Errorf("%w: a reason of %d bytes", ErrProtocol, len(m.rest))
	}
	if c.in.end == nil || c.in.end.kind < m.kind {
		c.in.end = &ending{kind: m.kind, reason: strings.ToValidUTF8(string(m.rest), "?")}
	}
	if m.kind != half || c.ended() {
		c.in.owed = true
	}
	if c.in.end.kind != half { // and it reads no more
		c.out.base, c.out.unconsumed = c.out.top(), nil
		c.out.endDone = true
	}
	c.change()
	return nil
}

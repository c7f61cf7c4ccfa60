package resume

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Transport carries messages in order until it fails. Send is called by one goroutine, and
// Receive by another.
type Transport interface {
	// Send sends a message, which it does not keep.
	Send(ctx context.Context, message []byte) error
	// Receive returns the next message, which is the caller's. It bounds its length to
	// [MaxMessage] bytes.
	// After the other end has closed it in order it returns [io.EOF].
	Receive(ctx context.Context) ([]byte, error)
	// Close closes it in order, while the other goroutine receives. It returns when the
	// other end has closed it as well, or when that takes too long.
	Close()
}

var (
	errReplaced = errors.New("another attachment took over")
	errSilent   = errors.New("the other end was silent for too long")
	errOver     = errors.New("the connection is over")
)

// attachment is one that lasts.
type attachment struct {
	cancel context.CancelCauseFunc
	ended  chan struct{}
}

// ErrUnconfirmed is returned by [Conn.Attach] where the connection is over, and the other end
// may not know how far this one is: it may keep the connection until an attachment tells it.
var ErrUnconfirmed = errors.New("the connection is over, and the other end may not know")

// ErrStale is returned where the other end asks for bytes that it said it needs no more. To
// a bridge, that is a request to attach which was delayed, by a proxy or a full queue, until
// a later one had been served; to a client, that the bridge has lost what it had.
var ErrStale = fmt.Errorf("%w: it asks for bytes that it has consumed", ErrProtocol)

// Attach carries the connection over t until that fails, another attachment begins, or the
// connection is over. received is how far the other end has the stream. It returns nil if
// both ends agree that the connection is over, else why this attachment ended, or what
// [Conn.Err] returns. With [ErrStale] nothing has changed.
func (c *Conn) Attach(ctx context.Context, t Transport, received uint64) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	a := &attachment{cancel: cancel, ended: make(chan struct{})}
	next, err := c.begin(a, received)
	if err != nil {
		return err
	}
	defer c.end(a)
	silence := time.AfterFunc(c.cfg.Silence, func() { cancel(errSilent) })
	defer silence.Stop()
	gone := make(chan error, 1)
	go func() {
		err := c.receive(ctx, t, silence)
		cancel(err)
		gone <- err
	}()
	err = c.send(ctx, t, next)
	if err == errOver {
		t.Close()
	}
	cancel(err)
	return c.ending(<-gone, context.Cause(ctx))
}

// ending says how an attachment ended, of which the last receive returned received.
func (c *Conn) ending(received, cause error) error {
	switch err := c.Err(); {
	case err != nil:
		return err
	case !c.Done():
		return cause
	case received == io.EOF:
		return nil
	}
	return ErrUnconfirmed
}

// begin makes a the attachment, instead of any other, and returns from where to send.
func (c *Conn) begin(a *attachment, received uint64) (next uint64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.stale(received); err != nil && c.err == nil {
		return 0, err
	}
	c.detach()
	if c.err != nil {
		return 0, c.err
	}
	if err := c.stale(received); err != nil {
		return 0, err
	}
	top := c.out.top()
	if c.out.end != nil {
		top++
	}
	if received > top {
		c.fail(fmt.Errorf("%w: it has the stream up to %d, which is up to %d here", ErrProtocol, received, top))
		return 0, c.err
	}
	c.attached = a
	c.in.owed = true // the last that was told may be lost
	return received, nil
}

// Detach ends the attachment, if there is one, for another whose peer has the stream up to
// received: what was received does not change until that begins. Where it is [ErrStale], the
// attachment there is goes on.
func (c *Conn) Detach(received uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.stale(received); err != nil {
		return err
	}
	c.detach()
	return c.stale(received) // what was attached has gone on until now
}

// stale is why an attachment cannot begin whose peer has the stream up to received, though
// another could; c.mu is held.
func (c *Conn) stale(received uint64) error {
	if c.in.end != nil && c.in.end.kind != half || received >= c.out.base {
		return nil // a peer that reads no more needs nothing that it lacks
	}
	return fmt.Errorf("%w: it has the stream up to %d, which is from %d here", ErrStale, received, c.out.base)
}

// detach unlocks c.mu meanwhile.
func (c *Conn) detach() {
	for c.attached != nil {
		old := c.attached
		old.cancel(errReplaced)
		c.mu.Unlock()
		<-old.ended
		c.mu.Lock()
	}
}

func (c *Conn) end(a *attachment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.attached = nil
	close(a.ended)
}

// send sends what there is, from the offset next on, until ctx ends.
func (c *Conn) send(ctx context.Context, t Transport, next uint64) error {
	pings, stop := c.pings()
	defer stop()
	s := sender{conn: c, next: next}
	for {
		b, changed, over := s.message()
		if b != nil {
			if err := t.Send(ctx, b); err != nil {
				return err
			}
			s.sent()
			continue
		}
		if over {
			return errOver
		}
		select {
		case <-changed:
		case <-pings:
			if err := t.Send(ctx, []byte{byte(ping)}); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (c *Conn) pings() (<-chan time.Time, func()) {
	if c.cfg.Ping == 0 {
		return nil, func() {}
	}
	t := time.NewTicker(c.cfg.Ping)
	return t.C, t.Stop
}

// sender is what an attachment has sent.
type sender struct {
	conn   *Conn
	next   uint64 // offset of the next byte to send
	ending ending // the last that was sent
	buf    []byte
	tells  uint64 // what the message in buf tells as consumed; 0: nothing
}

// message returns the next message to send, which is valid until the next call; nil: there
// is none until changed is closed, or none ever if over.
func (s *sender) message() (b []byte, changed <-chan struct{}, over bool) {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	s.tells = 0
	switch {
	case c.err != nil:
		return nil, nil, true
	case c.in.owed:
		c.in.owed = false
		s.tells = c.in.consumed
		if c.ended() {
			s.tells = c.in.top() + 1
		}
		s.buf = header(s.buf[:0], consumed, s.tells)
		return s.buf, nil, false
	case c.out.endDone:
	case s.next < c.out.top():
		from := max(s.next, c.out.base) // what is consumed meanwhile has arrived
		part := c.out.unconsumed[from-c.out.base:]
		part = part[:min(len(part), maxData)]
		s.buf = append(header(s.buf[:0], data, from), part...)
		s.next = from + uint64(len(part))
		return s.buf, nil, false
	case c.out.end != nil && s.ending != *c.out.end:
		s.ending = *c.out.end
		s.buf = append(header(s.buf[:0], s.ending.kind, c.out.top()), s.ending.reason...)
		s.next = c.out.top() + 1
		return s.buf, nil, false
	}
	return nil, c.changed, c.over()
}

// sent notes what the last message told; that it was sent is enough, since a new attachment
// tells it again.
func (s *sender) sent() {
	if s.tells == 0 {
		return
	}
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	c.in.told = max(c.in.told, s.tells)
}

// ended reports whether the end of the incoming stream is consumed: read, or it will never
// be; c.mu is held. Of an end that reads no more, all is here already.
func (c *Conn) ended() bool {
	return c.in.end != nil && (len(c.in.unread) == 0 || c.shut || c.in.end.kind != half)
}

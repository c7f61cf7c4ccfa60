package lane

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// Sink gets the messages of one subject.
type Sink interface {
	// Receive gets a payload, which it keeps. It is called by the goroutine that reads the
	// connection, in the order of arrival, and must not block.
	Receive(payload []byte)
}

// errNotOpen means that a message was not sent: there is no connection, or nats.go has not
// yet sent its subscriptions on it.
var errNotOpen = errors.New("lane: not open")

// Lane is the short way over the connections of one [nats.Conn], which follow each other. It
// is safe for concurrent use. A nil Lane takes nothing and is never open.
type Lane struct {
	// WriteTimeout bounds how long a broker that reads nothing can block a write; one that
	// takes longer, by up to a second, closes the connection. It is set before use.
	WriteTimeout time.Duration

	find atomic.Pointer[func(subject []byte) Sink]
	open atomic.Pointer[conn] // where messages are published, nil for nowhere

	mu     sync.Mutex
	latest *conn // the last one that was made, nil before

	// aside is held while nats.go publishes what a Publisher has, and by who opens the lane:
	// no message by the lane overtakes one that nats.go still buffers.
	aside sync.RWMutex
}

// Of returns the lane over nc's connections: that of its dialer, custom or in-process, which
// has a method Lane() *Lane and calls [Lane.Wrap]. It is nil if there is none.
func Of(nc *nats.Conn) *Lane {
	for _, dialer := range []any{nc.Opts.InProcessServer, nc.Opts.CustomDialer} {
		if d, ok := dialer.(interface{ Lane() *Lane }); ok {
			return d.Lane()
		}
	}
	return nil
}

// Wrap returns c for nats.go. c speaks the NATS protocol from its first byte on: TLS and
// WebSocket are below it.
func (l *Lane) Wrap(c net.Conn) net.Conn {
	w := newConn(c, l)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.latest = w
	return w
}

// Take has each message given to the sink that find returns for its subject, or left to
// nats.go if that is nil. Messages with a header are always nats.go's, and so are those of
// more than [subjects.MaxMessage] bytes. find is called by the goroutine that reads; it must
// neither keep subject nor block. Take is called before the subscriptions are made; nil ends
// it.
func (l *Lane) Take(find func(subject []byte) Sink) {
	switch {
	case l == nil:
	case find == nil:
		l.find.Store(nil)
	default:
		l.find.Store(&find)
	}
}

func (l *Lane) sink(subject []byte) Sink {
	if find := l.find.Load(); find != nil {
		return (*find)(subject)
	}
	return nil
}

// present returns the connection that was made last, nil before.
func (l *Lane) present() *conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.latest
}

// publish sends a message; reply may be "". It does not keep payload, and waits only while
// others' messages wait for the connection. An error means that the message was certainly not
// sent; no error does not mean that it arrives.
func (l *Lane) publish(subject, reply string, payload []byte) error {
	c := l.open.Load()
	if c == nil {
		return errNotOpen
	}
	return c.publish(subject, reply, payload)
}

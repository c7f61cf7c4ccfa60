package natslink

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// silenceLimit is how long an established connection may bring nothing: until the
	// third ping is due, and none was answered.
	silenceLimit = (maxPings + 1) * pingInterval
	// lastLook is the part of it in which a process looks once more. It may have been
	// suspended: then what has arrived meanwhile is there to be read.
	lastLook = time.Second
	// lookEvery is the least time between two changes of the deadline of reads, so that
	// they cost nothing. It shortens the limit by as much.
	lookEvery = time.Second
)

// heardConn closes an established connection that has brought nothing for silenceLimit.
// nats.go counts unanswered pings for that. But while a write waits for room in the
// system's buffer, which small frames fill within seconds where packets are dropped,
// nats.go holds the lock that its pings need, until writeTimeout passes: together 25 s.
type heardConn struct {
	net.Conn
	established atomic.Bool
	silent      atomic.Bool // it was closed for that
	looked      time.Time   // when the deadline was last set; only the reader uses it
}

// SetDeadline implements [net.Conn]. nats.go removes the deadline after the greeting, and
// may be reading by then.
func (c *heardConn) SetDeadline(t time.Time) error {
	if !t.IsZero() {
		return c.Conn.SetDeadline(t)
	}
	c.established.Store(true)
	return errors.Join(c.Conn.SetWriteDeadline(t), c.Conn.SetReadDeadline(time.Now().Add(silenceLimit-lastLook)))
}

// Read implements [net.Conn].
func (c *heardConn) Read(b []byte) (int, error) {
	if now := time.Now(); c.established.Load() && now.Sub(c.looked) >= lookEvery {
		c.looked = now
		_ = c.Conn.SetReadDeadline(now.Add(silenceLimit - lastLook)) // fails only when it is closed
	}
	n, err := c.Conn.Read(b)
	if n > 0 || !c.established.Load() || !errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	c.looked = time.Time{}
	_ = c.Conn.SetReadDeadline(time.Now().Add(lastLook))
	if n, err = c.Conn.Read(b); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	c.silent.Store(true)
	_ = c.Conn.Close() // which ends a write
	return 0, nats.ErrStaleConnection
}

// Write implements [net.Conn].
func (c *heardConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if err != nil && c.silent.Load() {
		err = nats.ErrStaleConnection
	}
	return n, err
}

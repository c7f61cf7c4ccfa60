package dial

import (
	"errors"
	"io"
	"net"
	"syscall"
)

// hearingConn lets the other end finish speaking. Who refuses somebody says so
// and closes at once, often with a write of this end still on its way, which
// then fails. That failure tells nothing, and what was said before it waits to
// be read, behind which reading ends by itself. So such a write is taken as
// one whose bytes were lost on the way, as those of a moment before were.
//
// It is put around the TCP connection itself: above it TLS alerts, the answers
// of proxies and the errors of NATS are all heard.
type hearingConn struct{ net.Conn }

// Write implements [net.Conn].
func (c hearingConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if wasReset(err) {
		return len(b), nil
	}
	return n, err
}

// wasReset reports whether err is the system's word that the other end has
// closed the connection. After it, reading never waits.
func wasReset(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
}

// Ended reports whether err says only that the connection is at an end, by the
// other side's doing.
func Ended(err error) bool {
	return wasReset(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

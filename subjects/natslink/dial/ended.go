package dial

import (
	"errors"
	"io"
	"net"
	"syscall"
)

// hearingConn lets the other end finish. A server that refuses a client says so
// and closes at once, often while a write of this end is still on its way, which
// then fails. That failure says nothing, while the refusal waits to be read, and
// reading ends after it by itself. So such a write is treated as one whose bytes
// were lost on the way, like those of a moment before.
//
// It is put around the TCP connection itself, so that TLS alerts, responses of
// proxies and errors of NATS are all read.
type hearingConn struct{ net.Conn }

// Write implements [net.Conn].
func (c hearingConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if wasReset(err) {
		return len(b), nil
	}
	return n, err
}

// wasReset reports whether err is the system's error for a connection that the
// other end has closed. After it, reading never waits.
func wasReset(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
}

// Ended reports whether err says only that the other end has closed the
// connection.
func Ended(err error) bool {
	return wasReset(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

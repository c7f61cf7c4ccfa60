package dial

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
)

// greetingConn looks at the first bytes that a server sends. A NATS server
// begins with INFO; what begins otherwise, or waits to be spoken to, is
// another kind.
type greetingConn struct {
	net.Conn
	dialer  *Dialer
	settled bool // read before a connection's goroutines start, and only set before
}

// greeting is how a NATS server begins.
const greeting = "INFO "

// Read implements [net.Conn].
func (c *greetingConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.settled {
		return n, err
	}
	c.settled = true
	if n > 0 {
		if k := min(n, len(greeting)); string(b[:k]) == greeting[:k] {
			return n, err
		}
		return 0, c.dialer.failed(strange(b[:n]))
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return 0, c.dialer.failed(errors.New("the server there accepts the connection and says nothing: not a NATS server's port " +
			"(an HTTP server waits so; for WebSocket the URL begins with wss://)"))
	case errors.Is(err, io.EOF):
		return 0, c.dialer.failed(errors.New("the server there closes the connection before it has said anything"))
	}
	return n, err
}

func strange(b []byte) error {
	switch {
	case strings.HasPrefix(string(b), "HTTP/"):
		return fmt.Errorf("the server there speaks HTTP, not NATS: %s", said(b))
	case b[0] == 0x15 || b[0] == 0x16: // a record of TLS: alert, handshake
		return errors.New("the server there speaks TLS from the first byte on, not NATS (for WebSocket the URL begins with wss://)")
	}
	return fmt.Errorf("the server there does not speak NATS: it begins with %s", said(b))
}

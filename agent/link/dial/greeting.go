package dial

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
)

// greetingConn looks at the first bytes that a server sends. A NATS server
// begins with INFO; what begins otherwise, or waits to be spoken to, is
// another kind. The line is bounded here: it comes before TLS, from anybody,
// and nats.go would read it however long it is.
type greetingConn struct {
	net.Conn
	dialer  *Dialer
	seen    int  // bytes of the greeting's line
	settled bool // read before a connection's goroutines start, and only set before
}

const (
	// greeting is how a NATS server begins.
	greeting = "INFO "
	// maxGreeting bounds its first line, in bytes. A server alone needs 700;
	// those of a cluster list the addresses of each other.
	maxGreeting = 64 << 10
)

// Read implements [net.Conn].
func (c *greetingConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.settled {
		return n, err
	}
	if n > 0 {
		if k := min(n, len(greeting)); c.seen == 0 && string(b[:k]) != greeting[:k] {
			return 0, c.dialer.failed(strange(b[:n]))
		}
		c.seen += n
		c.settled = bytes.IndexByte(b[:n], '\n') >= 0
		if !c.settled && c.seen > maxGreeting {
			return 0, c.dialer.failed(fmt.Errorf("the server there does not speak NATS: its first line is over %d bytes long", maxGreeting))
		}
		return n, err
	}
	switch {
	case c.seen > 0:
	case errors.Is(err, os.ErrDeadlineExceeded):
		return 0, c.dialer.failed(errors.New("the server there accepts the connection and says nothing: not a NATS server's port " +
			"(an HTTP server waits so; for WebSocket the URL begins with wss://)"))
	case Ended(err):
		return 0, c.dialer.failed(errors.New("the server there closes the connection before it has said anything: not a NATS server's port " +
			"(for WebSocket the URL begins with wss://)"))
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

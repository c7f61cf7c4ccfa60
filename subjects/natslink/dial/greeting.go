package dial

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
)

// infoConn checks the first line that a server sends. A NATS server begins with
// INFO; one that begins otherwise, or waits for the client, is of another kind.
// The line is bounded here: it comes before TLS, from any server, and nats.go
// would read it whatever its length.
type infoConn struct {
	net.Conn
	dialer  *Dialer
	seen    int  // bytes of the line
	checked bool // set before the connection's goroutines start
}

const (
	// greeting is how a NATS server begins.
	greeting = "INFO "
	// maxGreeting bounds its first line, in bytes. A single server needs 700; the
	// servers of a cluster also list their addresses.
	maxGreeting = 64 << 10
)

// Read implements [net.Conn].
func (c *infoConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.checked {
		return n, err
	}
	if n > 0 {
		if k := min(n, len(greeting)); c.seen == 0 && string(b[:k]) != greeting[:k] {
			return 0, c.dialer.failed(strange(b[:n]))
		}
		c.seen += n
		c.checked = bytes.IndexByte(b[:n], '\n') >= 0
		if !c.checked && c.seen > maxGreeting {
			return 0, c.dialer.failed(fmt.Errorf("the server there does not speak NATS: its first line is over %d bytes long", maxGreeting))
		}
		return n, err
	}
	switch {
	case c.seen > 0:
	case errors.Is(err, os.ErrDeadlineExceeded):
		return 0, c.dialer.failed(errors.New("the server there accepts the connection and sends nothing: not a NATS server's port " +
			"(HTTP servers behave like this; the URL of a WebSocket begins with wss://)"))
	case Ended(err):
		return 0, c.dialer.failed(errors.New("the server there closes the connection without sending anything: not a NATS server's port " +
			"(the URL of a WebSocket begins with wss://)"))
	}
	return n, err
}

func strange(b []byte) error {
	switch {
	case strings.HasPrefix(string(b), "HTTP/"):
		return fmt.Errorf("the server there speaks HTTP, not NATS: %s", said(b))
	case b[0] == 0x15 || b[0] == 0x16: // a record of TLS: alert, handshake
		return errors.New("the server there speaks TLS from the first byte on, not NATS (the URL of a WebSocket begins with wss://)")
	}
	return fmt.Errorf("the server there does not speak NATS: it begins with %s", said(b))
}

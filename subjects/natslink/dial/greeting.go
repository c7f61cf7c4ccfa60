package dial

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/subjects/cause/classify"
)

const (
	// greeting is how a NATS server begins.
	greeting = "INFO "
	// maxGreeting bounds its first line, in bytes. A single server needs 700; the
	// servers of a cluster also list their addresses.
	maxGreeting = 64 << 10
)

// greet reads the first line that a server sends, until the attempt's deadline. A NATS
// server begins with INFO; one that begins otherwise, or waits for the client, is of
// another kind. The line is bounded here: it comes before TLS, from any server, and
// nats.go would read it whatever its length. early is the line, and what came with it.
func (d *Dialer) greet(conn net.Conn) (early []byte, err error) {
	// For writing too: reading a WebSocket answers its pings.
	_ = conn.SetDeadline(d.deadline)
	defer func() { _ = conn.SetDeadline(time.Time{}) }()
	b := make([]byte, 4<<10)
	for {
		n, err := conn.Read(b)
		early = append(early, b[:n]...)
		if k := min(len(early), len(greeting)); string(early[:k]) != greeting[:k] {
			return nil, d.noGreeting(cause.NotNATS, d.strange(early), nil)
		}
		if bytes.IndexByte(b[:n], '\n') >= 0 {
			return early, nil
		}
		if len(early) > maxGreeting {
			return nil, d.noGreeting(cause.ProtocolMismatch, fmt.Sprintf("the server there does not speak NATS: its first line is over %d bytes long", maxGreeting), nil)
		}
		if err != nil {
			return nil, d.ungreeted(err, len(early))
		}
	}
}

// ungreeted says why reading the first line failed with err, after some bytes of it.
func (d *Dialer) ungreeted(err error, some int) error {
	switch {
	case some > 0:
	case errors.Is(err, os.ErrDeadlineExceeded):
		return d.noGreeting(cause.NotNATS, "the server there accepts the connection and sends nothing: not a NATS server's port "+
			"(HTTP servers behave like this; the URL of a WebSocket begins with wss://)", err)
	case Ended(err):
		f := d.noGreeting(cause.ConnectionLost, "the server there closes the connection without sending anything: not a NATS server's port "+
			"(the URL of a WebSocket begins with wss://)", err)
		f.Do = "If an HTTPS server is there, use wss://. If a load balancer or proxy is, check whether it reaches a broker."
		return f
	}
	return classify.Error(cause.NATS, d.greetingOf(), err)
}

func (d *Dialer) noGreeting(id cause.ID, got string, err error) *cause.Failure {
	return &cause.Failure{Hop: cause.NATS, Cause: id, Tried: d.greetingOf(), Got: got, Err: err}
}

func (d *Dialer) greetingOf() string { return "read the greeting of " + Address(d.Server) }

// strange says what a server is that does not begin as a NATS server does.
func (d *Dialer) strange(b []byte) string {
	switch {
	case strings.HasPrefix(string(b), "HTTP/"):
		return "the server there speaks HTTP, not NATS: " + d.said(b)
	case b[0] == 0x15 || b[0] == 0x16: // a record of TLS: alert, handshake
		return "the server there speaks TLS from the first byte on, not NATS (the URL of a WebSocket begins with wss://)"
	}
	return "the server there does not speak NATS: it begins with " + d.said(b)
}

// greetedConn is a connection whose server has greeted. nats.go reads the greeting again.
type greetedConn struct {
	net.Conn
	early []byte
}

// Read implements [net.Conn].
func (c *greetedConn) Read(b []byte) (int, error) {
	if len(c.early) > 0 {
		n := copy(b, c.early)
		if c.early = c.early[n:]; len(c.early) == 0 {
			c.early = nil
		}
		return n, nil
	}
	return c.Conn.Read(b)
}

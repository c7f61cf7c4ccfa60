package natslink

import (
	"bytes"
	"net"
)

// loginConn answers the broker's pings during the login, which nats.go takes for
// failures: after CONNECT and PING it accepts nothing but a PONG. A broker sends a PING
// of its own two seconds after it has read the CONNECT, so on a slow machine or path
// that PING can come before the PONG. If the login failed for it, all work on it would
// be lost, and the next attempt would make the machine slower still.
//
// Until the login is over, nats.go reads only after it has written, in one goroutine.
type loginConn struct {
	net.Conn
	greeted bool   // the first line, which is the broker's INFO, has been read
	over    bool   // a line has come that is not a ping
	held    []byte // the beginning of a line that may be a ping
	ready   []byte // to be returned before more is read
}

var ping, pong = []byte("PING\r\n"), []byte("PONG\r\n")

// Read implements [net.Conn].
func (c *loginConn) Read(b []byte) (int, error) {
	for len(c.ready) == 0 {
		n, err := c.Conn.Read(b)
		if c.over {
			return n, err
		}
		for range c.take(b[:n]) {
			if _, err := c.Conn.Write(pong); err != nil {
				return 0, err
			}
		}
		if err != nil && len(c.ready) == 0 {
			return 0, err // otherwise the next read returns it again
		}
	}
	n := copy(b, c.ready)
	c.ready = c.ready[n:]
	return n, nil
}

// take takes what was read. It returns the number of pings in it, which it leaves out of
// what is ready.
func (c *loginConn) take(b []byte) (pings int) {
	c.held = append(c.held, b...)
	if !c.greeted {
		end := bytes.IndexByte(c.held, '\n') + 1
		if c.greeted = end > 0; !c.greeted {
			end = len(c.held)
		}
		c.ready, c.held = c.held[:end:end], c.held[end:]
	}
	for c.greeted && bytes.HasPrefix(c.held, ping) {
		pings++
		c.held = c.held[len(ping):]
	}
	if c.greeted && !bytes.HasPrefix(ping, c.held) {
		c.over = true
		c.ready, c.held = append(c.ready, c.held...), nil
	}
	return pings
}

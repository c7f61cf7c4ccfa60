package proxy

import (
	"net"
	"sync/atomic"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

// heardConn is a connection that knows whether the other end has sent anything.
type heardConn struct {
	net.Conn
	heard atomic.Bool
}

// Read implements [net.Conn].
func (c *heardConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.heard.Store(true)
	}
	return n, err
}

// unheard makes f, the failure of the first step with a proxy on c, that of a proxy of
// another kind, if the proxy has taken the connection and sent nothing in time: packets
// that are dropped prevent a connection. greeting names what was sent to the proxy. An
// HTTP proxy that waits for the end of a line, and one that waits for TLS, are like this.
func (c *heardConn) unheard(f *cause.Failure, greeting string) *cause.Failure {
	if f.Cause != cause.Timeout || c.heard.Load() {
		return f
	}
	f.Cause, f.Got = cause.NotAProxy, "no answer in time to "+greeting
	f.Do = plainHTTP
	return f
}

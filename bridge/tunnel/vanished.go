package tunnel

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/tunnel/socket"
)

// pollInterval is how long an upload over HTTP/1.1 stands still before its
// client's connection is polled, and how often: as long as a cancellation may take
// anywhere else. A poll is one system call.
const pollInterval = 500 * time.Millisecond

// connKey is the key of a connection in the contexts of its requests.
type connKey struct{}

// WithConn is for [http.Server.ConnContext]: it lets the tunnel notice clients that
// hang up while their upload stands still.
func WithConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// clientConn returns the TCP connection that a request came on, nil where it is
// not known.
func clientConn(r *http.Request) net.Conn {
	c, _ := r.Context().Value(connKey{}).(net.Conn)
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	return c
}

// watch calls gone when the client has hung up while its body was not being
// read, because the API server takes no more of it: net/http notices only where
// it reads. HTTP/2 reads its connections all the time. A body that moves is left
// alone, whatever the connection looks like: its end is behind the bytes that
// are still to be read.
func (u *upload) watch(gone context.CancelCauseFunc) {
	if u.r.ProtoMajor != 1 {
		return
	}
	c := clientConn(u.r)
	if c == nil {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	var before int64
	u.watchdog = time.AfterFunc(pollInterval, func() {
		now := u.bytes.Load()
		if now == before && !u.consumed.Load() && socket.HungUp(c) {
			gone(answer.Failf(answer.ClientGone, "the caller hung up while its upload stood still"))
			return
		}
		before = now
		u.mu.Lock()
		defer u.mu.Unlock()
		if !u.closed && !u.consumed.Load() {
			u.watchdog.Reset(pollInterval)
		}
	})
}

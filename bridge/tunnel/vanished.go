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

// pollInterval is how long an upload over HTTP/1.1 must make no progress before its
// client's connection is polled, and the time between two polls. With it, a
// cancellation is noticed as fast as in any other request. A poll is one system call.
const pollInterval = 500 * time.Millisecond

// connKey is the key of a connection in the contexts of its requests.
type connKey struct{}

// WithConn is for [http.Server.ConnContext]: it lets the tunnel notice clients that
// hang up while their upload makes no progress.
func WithConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// clientConn returns the TCP connection of a request, nil if it is not known.
func clientConn(r *http.Request) net.Conn {
	c, _ := r.Context().Value(connKey{}).(net.Conn)
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	return c
}

// watch calls gone if the client hangs up while its body is not being read because
// the API server accepts no more of it. net/http notices a client that hangs up only
// when it reads; with HTTP/2 it always reads. While the upload makes progress, a
// closed connection means nothing: bytes of the body may still be unread before
// the end.
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

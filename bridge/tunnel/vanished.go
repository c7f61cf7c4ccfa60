package tunnel

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
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

// clientReader reads from the client of an upgraded connection, and shows the tap what
// it has read.
type clientReader struct{ d *duplex }

func (r clientReader) Read(p []byte) (int, error) {
	r.d.reading.Store(true)
	n, err := r.d.conn.Read(p)
	r.d.reading.Store(false)
	if tapErr := r.d.show(p[:n]); tapErr != nil {
		return 0, tapErr
	}
	return n, err
}

// pollClient cuts an upgraded connection whose client broke it while its bytes were
// not being read, because the API server accepts no more of them: a killed kubectl
// whose exec does not read its input. A client that has only half-closed is left
// alone, since it may wait for the output. It returns how to stop that.
func (d *duplex) pollClient() (stop func()) {
	if d.tcp == nil {
		return func() {}
	}
	var mu sync.Mutex
	stopped := false
	var t *time.Timer
	mu.Lock()
	defer mu.Unlock()
	t = time.AfterFunc(pollInterval, func() {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case stopped:
		case !d.reading.Load() && socket.Broken(d.tcp):
			d.cut(errClient)
		default:
			t.Reset(pollInterval)
		}
	})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		stopped = true
		t.Stop()
	}
}

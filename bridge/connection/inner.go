package connection

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/fairlead-io/fairlead/bridge/connection/resume"
)

const (
	// maxHeaderBytes is the largest request head, as at the bridge itself.
	maxHeaderBytes = 1 << 20
	// idleTimeout is how long a connection may be without a request, attached or not.
	idleTimeout = 10 * time.Minute
)

type heldKey struct{}

// newServer makes the server of the requests within connections.
func (s *Service) newServer() *http.Server {
	return &http.Server{
		Handler: http.HandlerFunc(s.inner),
		// A head may be cut in two by the loss of a network.
		ReadHeaderTimeout: resume.Hold + 10*time.Second,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.Logger.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return s.Context },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, heldKey{}, c.(heldConn).held)
		},
	}
}

// inner passes a request within a connection on to the bridge, as one of the latest
// attachment's caller.
func (s *Service) inner(w http.ResponseWriter, r *http.Request) {
	h := r.Context().Value(heldKey{}).(*held)
	if !below(r.RequestURI, h.prefix) {
		http.Error(w, "this connection leads to "+h.prefix+" only", http.StatusNotFound)
		return
	}
	outer := h.outer.Load()
	as := r.WithContext(r.Context()) // a shallow copy
	as.Header = merge(r.Header, outer.Header)
	as.Host, as.RemoteAddr, as.TLS = outer.Host, outer.RemoteAddr, outer.TLS
	s.Handler.ServeHTTP(w, as)
}

// below reports whether a request target lies below a path.
func below(target, path string) bool {
	rest, ok := strings.CutPrefix(target, path)
	return ok && (rest == "" || rest[0] == '/' || rest[0] == '?')
}

// heldConn tells the server which connection it has.
type heldConn struct {
	net.Conn
	held *held
}

// CloseWrite ends the direction to the client.
func (c heldConn) CloseWrite() error { return c.held.conn.CloseWrite() }

// SetLinger makes Close break the connection.
func (c heldConn) SetLinger(seconds int) error { return c.held.conn.SetLinger(seconds) }

// listener gives the server the connections that are made.
type listener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   func()
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once()
	return nil
}

func (l *listener) Addr() net.Addr { return addr{} }

// addr is that of either end of a connection, which has none.
type addr struct{}

func (addr) Network() string { return "fairlead" }
func (addr) String() string  { return "connection" }

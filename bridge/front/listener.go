package front

import (
	"log/slog"
	"net"
	"time"

	"golang.org/x/time/rate"
)

// HeaderTimeout is how long a trusted proxy may take to send the first bytes of
// a connection. It is ample, since proxies send the PROXY header at once.
const HeaderTimeout = 10 * time.Second

// warnEvery is the least time between two warnings about PROXY headers: the health
// checks of a load balancer send one every few seconds.
const warnEvery = time.Minute

// Listener accepts connections that may come through TCP proxies.
type Listener struct {
	net.Listener
	// Trusted are the peers whose PROXY headers are read, if ProxyProtocol is
	// set. A connection without a header, such as a health check's, is served
	// too.
	Trusted       Trusted
	ProxyProtocol bool
	// Logger gets a warning for a header that is unexpected or malformed.
	Logger *slog.Logger

	sometimes rate.Sometimes
}

// NewListener returns a listener on top of l.
func NewListener(l net.Listener, t Trusted, proxyProtocol bool, log *slog.Logger) *Listener {
	return &Listener{
		Listener: l, Trusted: t, ProxyProtocol: proxyProtocol, Logger: log,
		sometimes: rate.Sometimes{Interval: warnEvery},
	}
}

// Accept implements [net.Listener]. It never waits for bytes of a connection.
func (l *Listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	t, ok := c.(*net.TCPConn)
	if !ok {
		return c, nil
	}
	if l.ProxyProtocol && l.Trusted.Contains(peer(t.RemoteAddr())) {
		return &proxied{TCPConn: t, warn: l.malformed}, nil
	}
	return &direct{TCPConn: t, warn: l.unexpected}, nil
}

// unexpected warns of a PROXY header from a peer that must not send one.
func (l *Listener) unexpected(from net.Addr) {
	l.sometimes.Do(func() {
		hint := "the front proxy sends PROXY protocol headers: set --proxy-protocol and name the proxy in --trusted-proxies, or turn them off there"
		if l.ProxyProtocol {
			hint = "a peer that --trusted-proxies does not name sends PROXY protocol headers: name it there if it is a front proxy"
		}
		l.Logger.Warn("connection refused: it began with a PROXY protocol header", "remote", from.String(), "hint", hint)
	})
}

// malformed warns of a trusted proxy's header that cannot be read.
func (l *Listener) malformed(from net.Addr, err error) {
	l.sometimes.Do(func() {
		l.Logger.Warn("connection refused: malformed PROXY protocol header", "remote", from.String(), "error", err)
	})
}

package proxy

import (
	"context"
	"crypto/tls"
	"net"
	"net/url"
	"time"
)

// Proxies is how servers are reached through forward proxies. Its fields must not
// change while it is used.
type Proxies struct {
	// For names the proxy for a server.
	For Chooser
	// CredentialsFile holds "user:password" or "DOMAIN\user:password" for the
	// proxy, and takes precedence over the proxy's URL. "": only that has them.
	CredentialsFile string
	// CAFile holds CA certificates in PEM that verify https proxies, besides the
	// system's. "": only those.
	CAFile string
	// Logins, if not nil, keeps credentials that were refused from being sent again
	// too often, and those not yet accepted from being sent several times at once.
	Logins *Logins
	// OnDate, if not nil, gets the clock of an http or https proxy, from each of its
	// responses that shows it.
	OnDate func(time.Time)

	only bool // there is one proxy, and no credentials file for it
}

// DialFunc connects to a host and port by TCP.
type DialFunc func(ctx context.Context, address string) (net.Conn, error)

// Connect connects to a server, given as host and port, through a proxy that For
// has named. The context must have a deadline, which bounds it.
func (p *Proxies) Connect(ctx context.Context, proxy *url.URL, server string, dial DialFunc) (net.Conn, error) {
	creds, err := p.credentials(proxy)
	if err != nil {
		return nil, err
	}
	t := &tunnel{proxies: p, proxy: proxy, server: server, dialTCP: dial, creds: creds}
	t.deadline, _ = ctx.Deadline()
	if proxy.Scheme == "socks5" || proxy.Scheme == "socks5h" {
		return t.bySOCKS(ctx)
	}
	return t.byCONNECT(ctx)
}

// tunnel is one attempt to reach a server through a proxy.
type tunnel struct {
	proxies *Proxies
	proxy   *url.URL
	server  string // host:port
	dialTCP DialFunc
	creds   *credentials // nil: none
	// deadline is the context's.
	deadline time.Time
	session  *session // the current one with an http or https proxy, nil before
	sent     []string // each Proxy-Authorization
}

// dial connects to the proxy itself.
func (t *tunnel) dial(ctx context.Context) (net.Conn, error) {
	tried := "connect to the proxy " + Name(t.proxy)
	conn, err := t.dialTCP(ctx, address(t.proxy))
	if err != nil {
		return nil, networkFailure(tried, err)
	}
	if t.proxy.Scheme == "https" {
		config, err := t.proxies.tlsConfig(t.proxy.Hostname())
		if err != nil {
			_ = conn.Close()
			return nil, err
		}
		heard := &heardConn{Conn: conn}
		secure := tls.Client(heard, config)
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, heard.unheard(networkFailure("TLS with the proxy "+Name(t.proxy), err), "a TLS handshake")
		}
		conn = secure
	}
	_ = conn.SetDeadline(t.deadline)
	return conn, nil
}

// ready makes conn, which leads to the server, the caller's.
func ready(conn net.Conn) net.Conn {
	_ = conn.SetDeadline(time.Time{})
	return conn
}

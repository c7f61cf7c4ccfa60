package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"

	"k8s.io/client-go/transport"

	"github.com/fairlead-io/fairlead/agent/fault"
	"github.com/fairlead-io/fairlead/agent/upstream/http1"
	"github.com/fairlead-io/fairlead/deploy/redact"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/cause/classify"
)

// newTransport makes a transport for HTTP/1.1.
func (u *Client) newTransport(tc *transport.Config) redact.Transport {
	t := limits()
	// The environment's proxy is for the broker, not for the API server next
	// door; only a kubeconfig can name one here. Through a proxy, a changed CA
	// file takes effect at the next start.
	t.Proxy = tc.Proxy
	t.DialContext = u.dial
	t.DialTLSContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		return u.dialTLS(ctx, network, address, "http/1.1")
	}
	t.TLSClientConfig = u.tls.Clone()
	t.TLSClientConfig.NextProtos = []string{"http/1.1"}
	t.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{} // no HTTP/2
	return redact.NewTransport(t)
}

// newPool makes a pool for requests whose bodies are in memory, of which as many as most may
// be under way.
func (u *Client) newPool(most int, dial func(ctx context.Context, network, address string) (net.Conn, error)) *http1.Pool {
	address := net.JoinHostPort(u.base.Hostname(), portOf(u.base.Port(), u.base.Scheme))
	return http1.New(http1.Config{
		MaxIdle: min(maxIdle, most), MaxBusy: most, IdleTimeout: idleTimeout, MaxAge: maxAge, MaxHead: subjects.MaxHead,
		Dial: func(ctx context.Context) (net.Conn, error) { return dial(ctx, "tcp", address) },
	})
}

// dialHTTP1 connects for HTTP/1.1, whatever the scheme.
func (u *Client) dialHTTP1(ctx context.Context, network, address string) (net.Conn, error) {
	if u.base.Scheme == "https" {
		return u.dialTLS(ctx, network, address, "http/1.1")
	}
	return u.dial(ctx, network, address)
}

// errNoHTTP1 says that a server did not agree to speak HTTP/1.1. Nothing was sent to it.
var errNoHTTP1 = errors.New("API server does not speak HTTP/1.1")

// alertNoProtocol is the answer to protocols of which a server speaks none: see RFC 7301,
// section 3.2.
const alertNoProtocol tls.AlertError = 120

// dialError is why a connection beside those of HTTP/2 could not be made.
type dialError struct{ error }

func (e *dialError) Unwrap() error { return e.error }

// dialAgreed is dialHTTP1 to a server that must say that it speaks HTTP/1.1: Go's accept
// the offer in silence even if they speak nothing but HTTP/2. Its errors are dialErrors.
func (u *Client) dialAgreed(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := u.dialTLS(ctx, network, address, "http/1.1")
	if err != nil {
		if alert, ok := classify.Alert(err); ok && alert == alertNoProtocol {
			err = errNoHTTP1
		}
		return nil, &dialError{err}
	}
	if t, ok := c.(*tls.Conn); !ok || t.ConnectionState().NegotiatedProtocol != "http/1.1" {
		_ = c.Close()
		return nil, &dialError{errNoHTTP1}
	}
	return c, nil
}

// slot waits until another connection may be opened: a burst of requests must
// not overwhelm an API server with handshakes. The caller calls done when the
// connection is open.
func (u *Client) slot(ctx context.Context) (done func(), err error) {
	wait, cancel := context.WithTimeout(ctx, slotTimeout)
	defer cancel()
	select {
	case u.dialing <- struct{}{}:
		return func() { <-u.dialing }, nil
	case <-wait.Done():
		return nil, fault.Newf(subjects.CodeUnreachable, "wait for other connections to API server to open: %w", context.Cause(wait))
	}
}

// dial connects for plain HTTP, and to a proxy.
func (u *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	done, err := u.slot(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	return u.connect(ctx, network, address)
}

func (u *Client) connect(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := u.dialer(ctx, network, address)
	if err != nil {
		return nil, fault.Newf(subjects.CodeUnreachable, "connect to API server: %w", err)
	}
	return conn, nil
}

// dialTLS dials as net/http would, but with the current CA, and its error names the
// step that failed.
func (u *Client) dialTLS(ctx context.Context, network, address, protocol string) (net.Conn, error) {
	done, err := u.slot(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	raw, err := u.connect(ctx, network, address)
	if err != nil {
		return nil, err
	}
	config := u.tls.Clone()
	config.NextProtos = []string{protocol}
	if protocol == "h2" { // a server that lacks it must have something to choose
		config.NextProtos = append(config.NextProtos, "http/1.1")
	}
	if u.roots != nil {
		config.RootCAs = u.roots.Pool()
	}
	if config.ServerName == "" {
		config.ServerName, _, _ = net.SplitHostPort(address)
	}
	conn := tls.Client(raw, config)
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, fault.Newf(connectCode(err), "TLS handshake with API server %s: %w", address, err)
	}
	if protocol == "h2" && conn.ConnectionState().NegotiatedProtocol != protocol {
		_ = conn.Close()
		return nil, errNoHTTP2
	}
	return conn, nil
}

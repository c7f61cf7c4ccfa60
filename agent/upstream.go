package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"

	"github.com/fairlead-io/fairlead/deploy/daemon"
	"github.com/fairlead-io/fairlead/subjects"
)

// Bounds of the connections to the API server. A whole exchange has none: a
// watch lasts as long as its client wants.
const (
	// dialTimeout and handshakeTimeout bound the two steps of connecting.
	dialTimeout      = 10 * time.Second
	handshakeTimeout = 10 * time.Second
	// keepAlive finds a dead path under an idle upgraded connection.
	keepAlive = 15 * time.Second
	// An HTTP/2 connection that has been silent for pingAfter is pinged, and
	// closed when no answer comes within pingTimeout.
	pingAfter   = 15 * time.Second
	pingTimeout = 10 * time.Second
	// idleTimeout closes connections that nobody uses.
	idleTimeout = 90 * time.Second
	// maxIdle is how many HTTP/1.1 connections are kept for the next burst.
	maxIdle = 256
	// streamBuffer bounds what a reader that stops costs here, in bytes.
	streamBuffer = 512 << 10
)

// Upstream is the API server: where it is, how to connect to it and as whom.
// It is safe for concurrent use.
type Upstream struct {
	base    url.URL // scheme, host and, behind some proxies, a path prefix
	tls     *tls.Config
	roots   *daemon.CertPool // nil: those in tls
	dialer  func(ctx context.Context, network, address string) (net.Conn, error)
	bearer  *bearerSource     // nil: the transports authenticate
	plain   http.RoundTripper // HTTP/2 where the server offers it
	upgrade http.RoundTripper // HTTP/1.1, a connection for each request
	closers []*http.Transport

	// multiplexed says that the last answer came over HTTP/2.
	multiplexed atomic.Bool
	// refusals counts HTTP/2 streams that the server has reset with
	// PROTOCOL_ERROR; see replay.go.
	refusals atomic.Uint64
}

// NewUpstream prepares the transports; it connects to nothing. CA, token,
// client certificate and key are read again when their files change; exec
// plugins are run as kubectl would.
func NewUpstream(config *rest.Config, log *slog.Logger) (*Upstream, error) {
	base, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, fmt.Errorf("API server address: %w", err)
	}
	u := &Upstream{base: url.URL{Scheme: base.Scheme, Host: base.Host, Path: strings.TrimRight(base.Path, "/")}}
	if err := u.checkSafe(config); err != nil {
		return nil, err
	}
	tc, err := config.TransportConfig()
	if err != nil {
		return nil, fmt.Errorf("API server credentials: %w", err)
	}
	if tc.TLS.CAFile != "" && len(tc.TLS.CAData) == 0 {
		if u.roots, err = daemon.LoadCertPool(tc.TLS.CAFile, log); err != nil {
			return nil, fmt.Errorf("API server: %w", err)
		}
	}
	if u.tls, err = transport.TLSConfigFor(tc); err != nil {
		return nil, fmt.Errorf("API server: %w", err)
	}
	if u.tls == nil {
		u.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	u.dialer = (&net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}).DialContext
	if tc.DialHolder != nil { // an exec plugin's: it closes what an old certificate opened
		u.dialer = tc.DialHolder.Dial
	}
	return u, u.connectWith(tc)
}

// checkSafe refuses what would make the agent talk to an API server that it
// cannot know to be the right one.
func (u *Upstream) checkSafe(config *rest.Config) error {
	if config.Insecure {
		return errors.New("API server: the kubeconfig skips TLS verification (insecure-skip-tls-verify); give certificate-authority instead")
	}
	if u.base.Scheme == "https" {
		return nil
	}
	if ip := net.ParseIP(u.base.Hostname()); u.base.Hostname() == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("API server %s: plain HTTP is only allowed to the machine itself", u.base.Host)
}

func (u *Upstream) connectWith(tc *transport.Config) error {
	plain := u.newTransport(tc, []string{"h2", "http/1.1"})
	//lint:ignore SA1019 net/http alone (Go 1.26) does not tell of streams that the server resets
	h2, err := http2.ConfigureTransports(plain)
	if err != nil {
		return fmt.Errorf("HTTP/2 to API server: %w", err)
	}
	//lint:ignore SA1019 see above
	h2.CountError = u.countError

	upgrade := u.newTransport(tc, []string{"http/1.1"})
	upgrade.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{} // no HTTP/2
	// A connection of its own for each request: net/http sends a request again
	// only where a connection that had served before failed.
	upgrade.DisableKeepAlives = true

	u.closers = []*http.Transport{plain, upgrade}
	if u.bearer, err = newBearerSource(tc); err != nil {
		return err
	}
	if u.bearer != nil {
		u.plain, u.upgrade = sender{plain}, sender{upgrade}
		return nil
	}
	if u.plain, err = transport.HTTPWrappersForConfig(tc, sender{plain}); err != nil {
		return fmt.Errorf("API server credentials: %w", err)
	}
	if u.upgrade, err = transport.HTTPWrappersForConfig(tc, sender{upgrade}); err != nil {
		return fmt.Errorf("API server credentials: %w", err)
	}
	return nil
}

func (u *Upstream) newTransport(tc *transport.Config, protocols []string) *http.Transport {
	return &http.Transport{
		// Set only where a kubeconfig names a proxy: a proxy that the
		// environment names is for the broker, not for the API server next door.
		// Behind one, a changed CA file counts from the next start on.
		Proxy:       tc.Proxy,
		DialContext: u.dial,
		DialTLSContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return u.dialTLS(ctx, network, address, protocols)
		},
		TLSClientConfig:        u.tls.Clone(),
		TLSHandshakeTimeout:    handshakeTimeout,
		MaxIdleConns:           maxIdle,
		MaxIdleConnsPerHost:    maxIdle,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: subjects.MaxHead,
		DisableCompression:     true,
		HTTP2: &http.HTTP2Config{
			MaxReceiveBufferPerStream: streamBuffer, SendPingTimeout: pingAfter, PingTimeout: pingTimeout,
		},
	}
}

func (u *Upstream) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := u.dialer(ctx, network, address)
	if err != nil {
		return nil, &connectError{"connect to API server", err}
	}
	return conn, nil
}

// dialTLS does what net/http would, with the CA as it is now, and tells the
// steps of a failure apart.
func (u *Upstream) dialTLS(ctx context.Context, network, address string, protocols []string) (net.Conn, error) {
	raw, err := u.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	config := u.tls.Clone()
	config.NextProtos = protocols
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
		return nil, &connectError{"TLS handshake with API server " + address, err}
	}
	return conn, nil
}

// roundTrip sends req, which it completes with credentials. The error says
// whether the request can have left: see failure.go.
func (u *Upstream) roundTrip(req *http.Request, upgrade bool) (*http.Response, error) {
	if u.bearer != nil {
		req.Header["Authorization"] = u.bearer.header()
	}
	if upgrade {
		return u.upgrade.RoundTrip(req)
	}
	resp, err := u.plain.RoundTrip(req)
	if err == nil && u.multiplexed.Load() != (resp.ProtoMajor == 2) {
		u.multiplexed.Store(resp.ProtoMajor == 2)
	}
	return resp, err
}

func (u *Upstream) countError(what string) {
	if what == "recv_rststream_PROTOCOL_ERROR" {
		u.refusals.Add(1)
	}
}

// Close closes connections that are not in use.
func (u *Upstream) Close() {
	for _, t := range u.closers {
		t.CloseIdleConnections()
	}
}

// sender is the innermost RoundTripper: it marks errors of requests that have
// passed everything around it, such as an exec plugin that gets a token.
type sender struct{ next http.RoundTripper }

func (s sender) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := s.next.RoundTrip(req)
	if err != nil {
		return nil, &sendError{err}
	}
	return resp, nil
}

// connectError is a failure before anything of a request was sent.
type connectError struct {
	step string
	err  error
}

func (e *connectError) Error() string { return e.step + ": " + e.err.Error() }
func (e *connectError) Unwrap() error { return e.err }

// sendError is a failure of the transport itself.
type sendError struct{ err error }

func (e *sendError) Error() string { return e.err.Error() }
func (e *sendError) Unwrap() error { return e.err }

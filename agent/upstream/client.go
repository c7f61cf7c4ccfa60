package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"

	"github.com/fairlead-io/fairlead/agent/fault"
	"github.com/fairlead-io/fairlead/agent/upstream/http1"
	"github.com/fairlead-io/fairlead/deploy/redact"
	"github.com/fairlead-io/fairlead/deploy/reload"
	"github.com/fairlead-io/fairlead/subjects"
)

// Bounds of the connections to the API server. A whole exchange has no bound: a
// watch lasts as long as its client wants.
const (
	// dialTimeout and handshakeTimeout bound the two steps of connecting.
	dialTimeout      = 10 * time.Second
	handshakeTimeout = 10 * time.Second
	// keepAlive detects a dead path under an idle upgraded connection.
	keepAlive = 15 * time.Second
	// An HTTP/2 connection that has been silent for pingAfter is pinged, and
	// closed if no answer arrives within pingTimeout.
	pingAfter   = 15 * time.Second
	pingTimeout = 10 * time.Second
	// idleTimeout closes connections that are not used.
	idleTimeout = 90 * time.Second
	// maxAge is for how long a connection for reads serves beside HTTP/2, or any over
	// HTTP/1.1 alone: behind an address that several API servers share, those that come back
	// get their part within it. A handshake in some minutes costs next to nothing.
	maxAge = 5 * time.Minute
	// maxDialing is how many connections are opened at a time; slotTimeout bounds
	// the wait for one's turn.
	maxDialing  = 32
	slotTimeout = 30 * time.Second
	// maxIdle is how many HTTP/1.1 connections are kept for the next burst.
	maxIdle = 256
	// maxConnections is how many connections may be in use to an API server without
	// HTTP/2: one for each stream that the protocol allows.
	maxConnections = subjects.MaxStreams
	// maxReads is how many may be in use beside HTTP/2. An API server holds some 60 KiB
	// for each, and more reads at once than that gain nothing from connections of their own.
	maxReads = 64
	// streamBuffer bounds what the agent holds for a reader that stops, in bytes.
	streamBuffer = 512 << 10
)

// Client reaches the API server: where it is, how to connect to it and as whom.
// It is safe for concurrent use.
type Client struct {
	base    url.URL // scheme, host and, behind some proxies, a path prefix
	tls     *tls.Config
	roots   *reload.CertPool // nil: those in tls
	pair    *reload.KeyPair  // the client certificate; nil: that in tls, or none
	files   []reload.Followed
	dialer  func(ctx context.Context, network, address string) (net.Conn, error)
	dialing chan struct{} // a token for each connection that is being opened
	bearer  *bearerSource // nil: plain and upgrade authenticate

	// credentialRefused is set when the API server has refused the agent's
	// credential, until the prober has found it good again; denied then has a
	// token for the prober.
	credentialRefused atomic.Bool
	denied            chan struct{}

	// suspected are rights that the agent may lack: see NoteForbidden.
	suspected chan authorizationv1.ResourceAttributes

	ahead atomic.Pointer[time.Duration] // see ClockAhead; nil: not measured

	// onlyHTTP2 is until when, in Unix seconds, the API server is presumed not to speak
	// HTTP/1.1; 0 if it is presumed to.
	onlyHTTP2 atomic.Int64

	config   *transport.Config
	renewing sync.Mutex // held while connections are renewed
	used     atomic.Pointer[material]

	http2   *multiplexer                     // nil: plain HTTP, or through a proxy
	http1   atomic.Pointer[redact.Transport] // a pool of connections, for bodies that are still arriving
	own     *http1.Pool                      // another, for all other requests; nil: through a proxy, or the sockets cannot be looked at
	reads   *http1.Pool                      // a third, for what is read where there is HTTP/2 too; nil likewise
	single  redact.Transport                 // a connection for each request
	plain   http.RoundTripper
	upgrade http.RoundTripper
}

// New prepares the transports; it connects to nothing. CA, token,
// client certificate and key are read again when their files change; exec
// plugins are run as kubectl would.
func New(config *rest.Config, log *slog.Logger) (*Client, error) {
	base, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, fmt.Errorf("API server address: %w", err)
	}
	u := &Client{
		base:      url.URL{Scheme: base.Scheme, Host: base.Host, Path: strings.TrimRight(base.Path, "/")},
		dialing:   make(chan struct{}, maxDialing),
		denied:    make(chan struct{}, 1),
		suspected: make(chan authorizationv1.ResourceAttributes, maxSuspected),
	}
	if err := u.checkSafe(config); err != nil {
		return nil, err
	}
	tc, err := config.TransportConfig()
	if err != nil {
		return nil, fmt.Errorf("API server credentials: %w", err)
	}
	if tc.TLS.CAFile != "" && len(tc.TLS.CAData) == 0 {
		if u.roots, err = reload.LoadCertPool(tc.TLS.CAFile, log); err != nil {
			return nil, fmt.Errorf("API server: %w", err)
		}
	}
	u.files, u.pair = followed(u.roots, config.TLSClientConfig, log)
	if u.tls, err = transport.TLSConfigFor(tc); err != nil {
		return nil, fmt.Errorf("API server: %w", err)
	}
	if u.tls == nil {
		u.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if u.pair != nil { // what is presented is what renew compares
		u.tls.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return u.pair.Certificate(), nil }
	}
	u.dialer = (&net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}).DialContext
	if tc.DialHolder != nil { // an exec plugin's: it closes what an old certificate opened
		u.dialer = tc.DialHolder.Dial
	}
	return u, u.connectWith(tc)
}

// checkSafe refuses a configuration with which the agent could not know that it
// talks to the right API server.
func (u *Client) checkSafe(config *rest.Config) error {
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

func (u *Client) connectWith(tc *transport.Config) (err error) {
	u.config, u.single = tc, u.newTransport(tc)
	// net/http sends a request again only if a connection that had served before
	// failed.
	u.single.DisableKeepAlives = true
	if tc.Proxy == nil && tc.DialHolder == nil && http1.Notices { // an exec plugin's dialer hides the sockets
		u.own, u.reads = u.newPool(maxConnections, u.dialHTTP1), u.newPool(maxReads, u.dialAgreed)
	}
	if u.base.Scheme == "https" && tc.Proxy == nil {
		u.http2, err = newMultiplexer(limits(), func(ctx context.Context, network, address string) (net.Conn, error) {
			return u.dialTLS(ctx, network, address, "h2")
		})
		if err != nil {
			return fmt.Errorf("HTTP/2 to API server: %w", err)
		}
	}
	u.renew()
	if u.bearer, err = newBearerSource(tc); err != nil {
		return err
	}
	u.plain, u.upgrade = sender{u.send}, sender{u.single.RoundTrip}
	if u.bearer != nil {
		return nil
	}
	if u.plain, err = transport.HTTPWrappersForConfig(tc, u.plain); err == nil {
		u.upgrade, err = transport.HTTPWrappersForConfig(tc, u.upgrade)
	}
	if err != nil {
		return fmt.Errorf("API server credentials: %w", err)
	}
	return nil
}

// ReadsOverHTTP2 has reads go over HTTP/2 wherever the API server speaks it, as all else
// does; see docs/decisions/0023. It must be called before the first request.
func (u *Client) ReadsOverHTTP2() { u.reads = nil }

// RoundTrip sends req, which it completes with credentials. Every error is a
// [fault.Fault].
func (u *Client) RoundTrip(req *http.Request, upgrade bool) (*http.Response, error) {
	if u.bearer != nil {
		req.Header["Authorization"] = u.bearer.header()
	}
	next := u.plain
	if upgrade {
		next = u.upgrade
	}
	resp, err := next.RoundTrip(req)
	if err == nil {
		return resp, nil
	}
	if f := fault.Interrupted(req.Context()); f != nil {
		return nil, f
	}
	if f := fault.In(err); f != nil {
		return nil, f
	}
	// What is wrapped around the sender failed: an exec plugin, a token.
	return nil, fault.Newf(subjects.CodeUnreachable, "credentials for API server: %w", &credentialError{err})
}

// NoteRefusal notes that the API server has refused the agent's credential.
func (u *Client) NoteRefusal() {
	if u.bearer != nil {
		u.bearer.forget()
	}
	if u.credentialRefused.CompareAndSwap(false, true) {
		select {
		case u.denied <- struct{}{}:
		default:
		}
	}
}

// CredentialRefused reports whether the API server has refused the agent's
// credential, and not taken it since.
func (u *Client) CredentialRefused() bool { return u.credentialRefused.Load() }

// Host is the API server's host, with a port if it is not the default one.
func (u *Client) Host() string { return u.base.Host }

// Multiplexed reports whether the next plain request goes over HTTP/2.
func (u *Client) Multiplexed() bool { return u.http2 != nil && u.http2.offered() }

// ProtocolResets counts the HTTP/2 streams that the API server has reset with
// PROTOCOL_ERROR, after which nothing is certain about their requests.
func (u *Client) ProtocolResets() uint64 {
	if u.http2 == nil {
		return 0
	}
	return u.http2.protocolResets.Load()
}

// Close closes connections that are not in use.
func (u *Client) Close() {
	u.http1.Load().CloseIdleConnections()
	for _, p := range u.pools() {
		p.CloseIdleConnections()
	}
	if u.http2 != nil {
		u.http2.close()
	}
}

// pools are those of our own that there are.
func (u *Client) pools() []*http1.Pool {
	return slices.DeleteFunc([]*http1.Pool{u.own, u.reads}, func(p *http1.Pool) bool { return p == nil })
}

// sender is the innermost RoundTripper. Its errors are faults; those of what is
// wrapped around it, such as an exec plugin that gets a token, are not.
type sender struct {
	next func(*http.Request) (*http.Response, error)
}

func (s sender) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := s.next(req)
	if err != nil {
		return nil, sendFault(err)
	}
	return resp, nil
}

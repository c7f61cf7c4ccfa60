package client

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/fairlead-io/fairlead/bridge/client/internal/exchange"
	"github.com/fairlead-io/fairlead/bridge/client/internal/follow"
)

// Options say how a client speaks to a bridge. The zero value has no token, trusts the
// CAs of the system, and retries as [Retry] has it by default.
type Options struct {
	// Token is asked for each request; nil sends none, as with a client certificate.
	Token TokenSource
	// PlainHTTP lets the token go to another machine by http, where something else keeps the
	// way between the two, such as a service mesh. Without it, [New] refuses such a URL.
	PlainHTTP bool
	// TLS is whom to trust, and with what certificate to come.
	TLS TLS
	// UserAgent is header User-Agent. Default: fairlead-client.
	UserAgent string
	// Retry bounds what is sent again.
	Retry Retry
	// Transport carries requests instead of one of the client's own. TLS must be zero
	// then. It must not add credentials.
	Transport http.RoundTripper
}

// TLS is PEM, so that client-go can be given the same. The zero value trusts the CAs of the
// system.
type TLS struct {
	// CA are the CAs to trust instead of the system's.
	CA []byte
	// Certificate and Key are of a client certificate, where the bridge takes them.
	Certificate, Key []byte
}

// Config is that of package tls. It has no protocols of the application layer.
func (o *TLS) Config() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.CA != nil {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(o.CA) {
			return nil, errors.New("TLS: the CA has no certificate in PEM")
		}
	}
	if o.Certificate != nil || o.Key != nil {
		pair, err := tls.X509KeyPair(o.Certificate, o.Key)
		if err != nil {
			return nil, fmt.Errorf("TLS: the client certificate: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// Retry bounds what is sent again: requests that were not executed, which the bridge says
// by Retry-After or shows by not being there, and requests whose outcome is unknown but
// that may be made twice: GET, PUT and DELETE of the platform API, operations, which have a
// key, and calls of GET, HEAD and OPTIONS. Anything else is never sent again once it may have arrived.
type Retry struct {
	// Attempts is how often a request is sent at most. Default 4; 1 sends nothing again.
	Attempts int
	// Wait is the first pause, which doubles with every attempt. Each pause is shortened
	// at random by up to half, so that many clients do not come back at once. Default 200 ms.
	Wait time.Duration
	// MaxWait bounds every pause. Where the bridge asks for a longer one, its answer is
	// returned instead. Default 15 s.
	MaxWait time.Duration
}

func (r Retry) withDefaults() Retry {
	if r.Attempts <= 0 {
		r.Attempts = 4
	}
	if r.Wait <= 0 {
		r.Wait = 200 * time.Millisecond
	}
	if r.MaxWait <= 0 {
		r.MaxWait = 15 * time.Second
	}
	return r
}

// Client calls one bridge. It is safe for concurrent use.
type Client struct {
	bridge *exchange.Bridge
	token  TokenSource
	tls    *TLS // nil with a transport of the caller's own
}

// New makes a client of the bridge at a URL, such as https://fairlead.example.com or
// https://example.com/fairlead. It sends nothing.
func New(bridge string, o Options) (*Client, error) {
	base, err := url.Parse(strings.TrimRight(bridge, "/"))
	if err != nil {
		return nil, fmt.Errorf("URL of the bridge: %w", err)
	}
	if base.Scheme != "https" && base.Scheme != "http" || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, fmt.Errorf("URL of the bridge: %q is not of the form https://HOST[/PATH]", base.Redacted())
	}
	if o.Token != nil && !o.PlainHTTP && !confidential(base) {
		return nil, fmt.Errorf("URL of the bridge: %s: want https, as the token would cross the network in clear; set PlainHTTP if something else keeps the way", base.Redacted())
	}
	c := &Client{token: o.Token}
	transport := o.Transport
	if transport == nil {
		if transport, err = ownTransport(o.TLS); err != nil {
			return nil, err
		}
		c.tls = &o.TLS
	} else if o.TLS.CA != nil || o.TLS.Certificate != nil || o.TLS.Key != nil {
		return nil, errors.New("TLS is of no use beside a Transport")
	}
	c.bridge = &exchange.Bridge{
		Base: base, UserAgent: cmp.Or(o.UserAgent, "fairlead-client"),
		HTTP: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		Authorize: c.authorize, Refused: failure, Limits: exchange.Limits(o.Retry.withDefaults()),
	}
	return c, nil
}

// confidential reports whether nobody else hears what is sent to a URL: it is https, or http
// on this machine.
func confidential(u *url.URL) bool {
	return u.Scheme == "https" || u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback()
}

// ownTransport has the defaults of package http, HTTP/2 among them. There is no bound for
// the whole of a response, because streams last: the context of each call is that bound.
func ownTransport(o TLS) (http.RoundTripper, error) {
	config, err := o.Config()
	if err != nil {
		return nil, err
	}
	t := &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: config, ForceAttemptHTTP2: true,
		DialContext:         (&net.Dialer{Timeout: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout: 10 * time.Second, IdleConnTimeout: 90 * time.Second, MaxIdleConnsPerHost: 16,
		HTTP2: &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second}, // streams notice a dead path
	}
	return t, nil
}

// URL is the bridge's, without a slash at its end.
func (c *Client) URL() string { return c.bridge.Base.String() }

// ClusterURL is that of the API server of a cluster, for Kubernetes clients.
func (c *Client) ClusterURL(cluster string) string {
	return c.bridge.Base.JoinPath("k8s", "clusters", url.PathEscape(cluster)).String()
}

// TLS returns what the client was made with; false if it has a Transport of the caller's.
func (c *Client) TLS() (TLS, bool) {
	if c.tls == nil {
		return TLS{}, false
	}
	return *c.tls, true
}

// UserAgent is what requests have as their User-Agent.
func (c *Client) UserAgent() string { return c.bridge.UserAgent }

// CloseIdleConnections closes connections that no request uses.
func (c *Client) CloseIdleConnections() { c.bridge.HTTP.CloseIdleConnections() }

// follow reads a stream over as many connections as it takes. silence is how long one of
// them may have nothing.
func (c *Client) follow(ctx context.Context, s follow.Stream, silence time.Duration) error {
	f := follow.Follower{Bridge: c.bridge, Silence: silence, Judge: judge}
	return f.Read(ctx, s)
}

package client

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Options say how a client speaks to a bridge. The zero value has no token, trusts the
// CAs of the system, and retries as [Retry] has it by default.
type Options struct {
	// Token is asked for each request; nil sends none, as with a client certificate.
	Token TokenSource
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

// Client calls one bridge. It is safe for concurrent use.
type Client struct {
	base      *url.URL
	token     TokenSource
	tls       *TLS // nil with a transport of the caller's own
	userAgent string
	retry     Retry
	http      *http.Client
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
	c := &Client{base: base, token: o.Token, userAgent: o.UserAgent, retry: o.Retry.withDefaults()}
	if c.userAgent == "" {
		c.userAgent = "fairlead-client"
	}
	transport := o.Transport
	if transport == nil {
		if transport, err = ownTransport(o.TLS); err != nil {
			return nil, err
		}
		c.tls = &o.TLS
	} else if o.TLS.CA != nil || o.TLS.Certificate != nil || o.TLS.Key != nil {
		return nil, errors.New("TLS is of no use beside a Transport")
	}
	c.http = &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
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
func (c *Client) URL() string { return c.base.String() }

// ClusterURL is that of the API server of a cluster, for Kubernetes clients.
func (c *Client) ClusterURL(cluster string) string {
	return c.base.JoinPath("k8s", "clusters", url.PathEscape(cluster)).String()
}

// TLS returns what the client was made with; false if it has a Transport of the caller's.
func (c *Client) TLS() (TLS, bool) {
	if c.tls == nil {
		return TLS{}, false
	}
	return *c.tls, true
}

// UserAgent is what requests have as their User-Agent.
func (c *Client) UserAgent() string { return c.userAgent }

// CloseIdleConnections closes connections that no request uses.
func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }

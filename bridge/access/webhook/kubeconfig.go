package webhook

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	certutil "k8s.io/client-go/util/cert"

	"github.com/fairlead-io/fairlead/deploy/redact"
	"github.com/fairlead-io/fairlead/deploy/reload"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/proxy"
)

// endpoint is where a service is, and how it is reached. It is safe for concurrent
// use.
type endpoint struct {
	url   string
	roots *reload.CertPool     // nil: they do not change
	pair  *reload.KeyPair      // nil: no client certificate, or one that does not change
	given []reload.Certificate // in the kubeconfig itself

	mu        sync.Mutex // guards the rest
	pool      *x509.CertPool
	transport *http.Transport
	config    *rest.Config // with credentials, without TLS
	client    *http.Client
}

// connect returns a client that trusts the CAs as they are now.
func (e *endpoint) connect() (*http.Client, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.roots == nil || e.roots.Pool() == e.pool {
		return e.client, nil
	}
	pool, next := e.roots.Pool(), e.transport.Clone()
	next.TLSClientConfig.RootCAs = pool
	if err := e.use(next); err != nil {
		return nil, err
	}
	e.pool = pool
	return e.client, nil
}

// files are those that the kubeconfig names, which is the file of key.
func (e *endpoint) files(key string) []reload.Followed {
	return append(e.roots.Followed(key+".certificate-authority"), e.pair.Followed(key+".client-certificate")...)
}

// use makes requests go through t. The caller holds mu, or alone has e.
func (e *endpoint) use(t *http.Transport) error {
	config := rest.CopyConfig(e.config)
	config.Transport = redact.NewTransport(t)
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return err
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	e.close()
	e.transport, e.client = t, client
	return nil
}

// close closes idle connections.
func (e *endpoint) close() {
	if e.transport != nil {
		e.transport.CloseIdleConnections()
	}
}

// CheckKubeconfig reports why a service cannot be asked by a kubeconfig.
func CheckKubeconfig(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	e, err := parseKubeconfig(content, path, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	e.close()
	return nil
}

// parseKubeconfig reads a kubeconfig as an API server reads that of a webhook: requests
// go to the path of the current context's server itself. Relative paths of files start
// from file. proxies leads to a service whose kubeconfig names no proxy.
func parseKubeconfig(content []byte, file string, proxies *proxy.Proxies, log *slog.Logger) (*endpoint, error) {
	parsed, err := clientcmd.Load(content)
	if err != nil {
		return nil, fmt.Errorf("not a kubeconfig: %w", err)
	}
	for _, c := range parsed.Clusters {
		c.LocationOfOrigin = file
		if err := checkProxy(c.ProxyURL); err != nil {
			return nil, err
		}
	}
	for _, a := range parsed.AuthInfos {
		a.LocationOfOrigin = file
	}
	if err := clientcmd.ResolveLocalPaths(parsed); err != nil {
		return nil, err
	}
	config, err := clientcmd.NewNonInteractiveClientConfig(*parsed, "", &clientcmd.ConfigOverrides{}, nil).ClientConfig()
	if err != nil {
		return nil, err
	}
	if config.Insecure {
		return nil, errors.New("insecure-skip-tls-verify: whoever answers decides who gets in, so the server's certificate must be verified")
	}
	base, _, err := rest.DefaultServerURL(config.Host, "", schema.GroupVersion{}, true)
	if err != nil {
		return nil, fmt.Errorf("server: want a URL with https")
	}
	switch {
	case base.Scheme != "https" && !loopback(base):
		return nil, errors.New("server: want a URL with https, as tokens and decisions pass there")
	case base.User != nil:
		return nil, errors.New("server: has a user or password, which belong under users")
	}
	base.Path = path.Join("/", base.Path)
	if config.Proxy != nil { // that of proxy-url
		u, err := config.Proxy(&http.Request{URL: base})
		if err != nil {
			return nil, errors.New("proxy-url: cannot be used")
		}
		proxies = proxies.Only(u)
	}
	return newEndpoint(base.String(), config, proxies, log)
}

// checkProxy is the check of client-go, which shows the URL that it refuses, and so the
// password that it may have.
func checkProxy(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || raw != "" && u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5" {
		return errors.New("proxy-url: want a URL with http, https or socks5")
	}
	return nil
}

// newEndpoint takes TLS into its own hands: client-go's transports watch the files of
// client certificates for good, and do not read those of CAs again.
func newEndpoint(to string, config *rest.Config, proxies *proxy.Proxies, log *slog.Logger) (*endpoint, error) {
	e := &endpoint{url: to}
	var err error
	files := &config.TLSClientConfig
	if files.CertFile != "" && len(files.CertData) == 0 {
		if e.pair, err = reload.LoadKeyPair(files.CertFile, files.KeyFile, log); err != nil {
			return nil, err
		}
	}
	if files.CAFile != "" && len(files.CAData) == 0 {
		if e.roots, err = reload.LoadCertPool(files.CAFile, log); err != nil {
			return nil, err
		}
		e.pool = e.roots.Pool()
	}
	t := reload.ClientTLS(e.roots, e.pair)
	if t.ServerName = files.ServerName; len(files.CAData) > 0 {
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(files.CAData) {
			return nil, errors.New("certificate-authority-data: no PEM certificate in it")
		}
		if cas, err := certutil.ParseCertsPEM(files.CAData); err == nil {
			e.given = reload.Summarize(nil, cas)
		}
	}
	if len(files.CertData) > 0 {
		cert, err := tls.X509KeyPair(files.CertData, files.KeyData)
		if err != nil {
			return nil, fmt.Errorf("client-certificate-data: %w", err)
		}
		t.Certificates = []tls.Certificate{cert}
		e.given = append(e.given, reload.SummarizeOwn(&cert)...)
	}
	e.config = rest.CopyConfig(config)
	e.config.TLSClientConfig, e.config.Proxy = rest.TLSClientConfig{}, nil
	return e, e.use(&http.Transport{
		TLSClientConfig: t, DialContext: proxies.HTTPDial(attemptTimeout), ForceAttemptHTTP2: true, MaxIdleConnsPerHost: maxReviews,
		TLSHandshakeTimeout: attemptTimeout, IdleConnTimeout: idleTimeout,
	})
}

// idleTimeout is shorter than servers keep a connection, mostly.
const idleTimeout = 50 * time.Second

func loopback(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

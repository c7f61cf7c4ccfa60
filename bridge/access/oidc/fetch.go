package oidc

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/deploy/redact"
	"github.com/fairlead-io/fairlead/deploy/reload"
	"github.com/fairlead-io/fairlead/deploy/tracing/span"
	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/proxy"
)

// Bounds of a reading.
const (
	// fetchTimeout bounds a reading, which is two requests. Longer than a caller
	// waits, so that a slow issuer is of use to the next one.
	fetchTimeout = 15 * time.Second
	// maxDocument bounds an answer in bytes. Discovery documents and key sets have a
	// few thousand.
	maxDocument = 1 << 20
	// maxRedirects is enough for a host that has moved.
	maxRedirects = 3
	// minRSABits is what RFC 7518 section 3.3 demands.
	minRSABits = 2048
)

// fetcher reads an issuer's discovery document and its keys. It is for one goroutine.
type fetcher struct {
	url   string
	proxy *proxy.Proxies   // nil: those of the environment
	cas   *reload.CertPool // nil: those of the system
	log   *slog.Logger

	name   string       // of the issuer
	tracer *span.Tracer // nil: nothing is traced
}

func newFetcher(config *Issuer, proxies *proxy.Proxies, tracer *span.Tracer, log *slog.Logger) (*fetcher, error) {
	f := &fetcher{url: config.URL, proxy: proxies, log: log, name: config.Name, tracer: tracer}
	if config.ProxyURL != "" {
		u, err := url.Parse(config.ProxyURL)
		if err != nil {
			return nil, errors.New("proxyURL: not a URL")
		}
		f.proxy = proxies.Only(u)
	}
	if config.CertificateAuthority != "" {
		var err error
		if f.cas, err = reload.LoadCertPool(config.CertificateAuthority, log); err != nil {
			return nil, fmt.Errorf("certificateAuthority: %w", err)
		}
	}
	return f, nil
}

// transport returns a transport for one reading, with the CAs of now.
func (f *fetcher) transport() redact.Transport {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if f.cas != nil {
		config.RootCAs = f.cas.Pool()
	}
	return redact.NewTransport(&http.Transport{
		DialContext: f.proxy.HTTPDial(fetchTimeout), TLSClientConfig: config, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: maxDocument,
	})
}

func redirect(_ *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return fmt.Errorf("more than %d redirects", maxRedirects)
	}
	return nil
}

// keys reads the keys that the issuer signs with now. It returns at least one. The span of
// a reading begins a trace, as no request alone is what it is for.
func (f *fetcher) keys(ctx context.Context) ([]*key, error) {
	reading := f.tracer.Begin("read issuer keys")
	defer reading.End()
	if reading.Recording() {
		reading.Set(span.Text(span.Issuer, f.name))
	}
	keys, err := f.read(ctx, reading)
	if err != nil && ctx.Err() == nil {
		reading.FailAs(answer.IssuerUnreachable.Code)
	}
	return keys, err
}

func (f *fetcher) read(ctx context.Context, reading *span.Span) ([]*key, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	transport := f.transport()
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: bounded{transport, reading}, CheckRedirect: redirect}
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, client), f.url)
	if err != nil {
		return nil, fmt.Errorf("read the discovery document: %w", err)
	}
	var document struct {
		Keys string `json:"jwks_uri"`
	}
	if err := provider.Claims(&document); err != nil {
		return nil, fmt.Errorf("read the discovery document: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, document.Keys, nil)
	if err != nil {
		return nil, fmt.Errorf("read the keys: jwks_uri: %w", err)
	}
	r.Header.Set("Cache-Control", "no-cache")
	response, err := client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("read the keys: %w", err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("read the keys: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("read the keys: %s", response.Status)
	}
	return f.parseKeys(b)
}

var errNoKeys = errors.New("it publishes no key that can be used")

// parseKeys reads a JSON Web Key Set (RFC 7517). It skips keys that it does not
// understand, as section 5 demands, and those that are not for signatures.
func (f *fetcher) parseKeys(b []byte) ([]*key, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(b, &set); err != nil {
		return nil, fmt.Errorf("read the keys: %w", err)
	}
	var keys []*key
	for n, raw := range set.Keys {
		k, err := parseKey(raw)
		if err != nil {
			f.log.Debug("skipping a key of the issuer", "number", n, "reason", err)
			continue
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, errNoKeys
	}
	return keys, nil
}

func parseKey(raw []byte) (*key, error) {
	var k jose.JSONWebKey
	if err := json.Unmarshal(raw, &k); err != nil {
		return nil, err
	}
	if public, ok := k.Key.(*rsa.PublicKey); ok && public.N.BitLen() < minRSABits {
		return nil, fmt.Errorf("it is an RSA key of %d bits, want at least %d", public.N.BitLen(), minRSABits)
	}
	if !k.IsPublic() || !k.Valid() || k.Use != "" && k.Use != "sig" {
		return nil, errors.New("it is not a public key for signatures")
	}
	thumbprint, err := k.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, err
	}
	return &key{id: k.KeyID, algorithm: k.Algorithm, public: k.Key,
		thumbprint: base64.RawURLEncoding.EncodeToString(thumbprint)}, nil
}

// bounded is a transport that allows only TLS, also after redirects and for jwks_uri,
// and whose answers have at most maxDocument bytes. Each request has a span.
type bounded struct {
	redact.Transport
	reading *span.Span
}

// RoundTrip implements [http.RoundTripper].
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" {
		return nil, errNotTLS
	}
	call := b.reading.Call(r.Method)
	defer call.End()
	call.Request(r.Method, r.URL)
	response, err := b.Transport.RoundTrip(r)
	if err != nil {
		call.FailAs(answer.IssuerUnreachable.Code)
		return nil, err
	}
	call.Answered(response.StatusCode)
	if response.StatusCode >= http.StatusBadRequest { // an error for a client, by the conventions
		call.FailAs(strconv.Itoa(response.StatusCode))
	}
	response.Body = struct {
		io.Reader
		io.Closer
	}{http.MaxBytesReader(nil, response.Body, maxDocument), response.Body}
	return response, nil
}

var errNotTLS = errors.New("the URL is not https")

// explain says in the middle of a sentence, after the issuer's name, why its keys
// cannot be read. It goes to senders that are not authenticated, so that it shows
// neither addresses nor what the issuer answered: those are in the log.
func explain(err error) string {
	var (
		mismatch *oidc.IssuerMismatchError
		tooLarge *http.MaxBytesError
		dns      *net.DNSError
		unknown  x509.UnknownAuthorityError
		host     x509.HostnameError
		invalid  x509.CertificateInvalidError
		timeout  net.Error
	)
	if f := cause.Of(err); f != nil && f.Hop == cause.Proxy {
		return "cannot be reached through this bridge's forward proxy: " + f.Cause.Info().Title
	}
	switch {
	case errors.As(err, &mismatch):
		return "calls itself by another URL in its discovery document"
	case errors.As(err, &tooLarge):
		return "answers with a document that is too large"
	case errors.As(err, &unknown), errors.As(err, &host), errors.As(err, &invalid):
		return "has a certificate that this bridge does not trust"
	case errors.As(err, &dns):
		return "has a host name that cannot be resolved"
	case errors.Is(err, errNotTLS):
		return "leads to a URL that is not https"
	case errors.Is(err, errNoKeys):
		return "publishes no key that can be used"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "cannot be reached: connection refused"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "cannot be reached: it did not answer in time"
	}
	return "cannot be reached or does not answer as an issuer; the bridge's log says more"
}

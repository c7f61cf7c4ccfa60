package clientcert

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/deploy/reload"
)

// Authenticator is the [access.Authenticator] for client certificates.
type Authenticator struct {
	callers *bundle
	proxies *bundle // nil: nobody passes certificates on
	names   []string
	header  string
	cache   cache
	trusted peers                         // proxies
	cas     atomic.Pointer[x509.CertPool] // of both bundles

	stop context.CancelFunc
	done chan struct{} // closed when watch has returned
}

// New reads the files that the configuration names, which must be good. Close must be
// called. A nil log discards.
func New(config Config, log *slog.Logger) (*Authenticator, error) {
	if err := config.check(); err != nil {
		return nil, fmt.Errorf("client certificates: %w", err)
	}
	a := &Authenticator{cache: cache{entries: make(map[digest]*entry)}, done: make(chan struct{})}
	var err error
	if a.callers, err = openBundle(config.CertificateAuthority, log); err != nil {
		return nil, fmt.Errorf("client certificates: %w", err)
	}
	if f := config.Forwarded; f != nil {
		if a.proxies, err = openBundle(f.Proxies.CertificateAuthority, log); err != nil {
			return nil, fmt.Errorf("client certificates of proxies: %w", err)
		}
		a.names, a.header = slices.Clone(f.Proxies.CommonNames), f.canonical()
	}
	a.cas.Store(a.union())
	ctx, stop := context.WithCancel(context.Background())
	a.stop = stop
	go a.watch(ctx)
	return a, nil
}

// ClientCAs returns the CAs whose certificates the server shall ask for. Browsers ask
// their users only if they have such a certificate.
func (a *Authenticator) ClientCAs() *x509.CertPool { return a.cas.Load() }

// Files are the bundles, under the keys of the configuration whose own is key.
func (a *Authenticator) Files(key string) []reload.Followed {
	all := a.callers.file.Followed(key + ".certificateAuthority")
	if a.proxies != nil {
		all = append(all, a.proxies.file.Followed(key+".forwarded.proxies.certificateAuthority")...)
	}
	return all
}

func (a *Authenticator) union() *x509.CertPool {
	all := x509.NewCertPool()
	all.AppendCertsFromPEM(a.callers.file.PEM())
	if a.proxies != nil {
		all.AppendCertsFromPEM(a.proxies.file.PEM())
	}
	return all
}

// watch ends leases when a bundle changes.
func (a *Authenticator) watch(ctx context.Context) {
	defer close(a.done)
	tick := time.NewTicker(reload.PollInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		changed := a.callers.refresh()
		if a.proxies != nil {
			changed = a.proxies.refresh() || changed
		}
		if changed {
			a.cas.Store(a.union())
			a.cache.sweep(func(l *access.Lease) { l.End(nil) })
		}
	}
}

// errSuperseded is why callers end with the authenticator.
var errSuperseded = errors.New("the bridge's configuration of client certificates has changed")

// Close supersedes the leases of all callers. No certificate is accepted from now on.
func (a *Authenticator) Close() {
	a.stop()
	<-a.done
	a.callers.pool.Store(x509.NewCertPool())
	a.cache.sweep(func(l *access.Lease) { l.Supersede(errSuperseded) })
}

// Vouch implements [access.Voucher]: a caller is known for as long as client certificates
// are taken at all, and its own has not expired.
func (a *Authenticator) Vouch(c *access.Caller) (now *access.Caller, known bool, err error) {
	if c.Method != access.MethodCertificate {
		return nil, false, nil
	}
	if !c.Expires.IsZero() && !time.Now().Before(c.Expires) {
		return nil, true, fmt.Errorf("the caller's client certificate has expired at %s", c.Expires.UTC().Format(time.RFC3339))
	}
	return c, true, nil
}

// Authenticate implements [access.Authenticator]. Its errors wrap one of this package,
// or [access.ErrNoCredentials].
func (a *Authenticator) Authenticate(r *http.Request) (*access.Caller, error) {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil, access.ErrNoCredentials
	}
	peer := r.TLS.PeerCertificates
	if !a.fromProxy(peer) {
		return a.caller(r, identify(peer), func() ([]proof, error) { return []proof{{a.callers, peer}}, nil })
	}
	f, err := readHeader(r.Header, a.header)
	if err != nil {
		return nil, err
	}
	return a.caller(r, identify(peer, append([]string{f.value}, f.chain...)...), func() ([]proof, error) {
		certs, err := f.certificates()
		return []proof{{a.proxies, peer}, {a.callers, certs}}, err
	})
}

// caller returns the caller whose certificates have the digest; the last of the proofs
// names it.
func (a *Authenticator) caller(r *http.Request, d digest, proofs func() ([]proof, error)) (*access.Caller, error) {
	if crossSite(r) {
		return nil, ErrCrossSite
	}
	if c := a.cache.get(d); c != nil {
		return c, nil
	}
	all, err := proofs()
	if err != nil {
		return nil, err
	}
	return a.cache.verify(d, all)
}

// fromProxy reports whether a peer is a proxy that may pass certificates on.
func (a *Authenticator) fromProxy(peer []*x509.Certificate) bool {
	if a.proxies == nil || !slices.Contains(a.names, peer[0].Subject.CommonName) {
		return false
	}
	return a.trusted.verify(proof{a.proxies, peer})
}

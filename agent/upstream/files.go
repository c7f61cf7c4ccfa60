package upstream

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"time"

	"k8s.io/client-go/rest"
	certutil "k8s.io/client-go/util/cert"

	"github.com/fairlead-io/fairlead/deploy/reload"
)

// Names of certificates in the agent's metrics.
const (
	nameCA         = "api-server-ca"
	nameClientCert = "api-server-client-cert"
)

// Files are the certificates that verify the API server, and the one that the agent
// presents to it: of files, or in the kubeconfig itself.
func (u *Client) Files() []reload.Followed { return u.files }

// followed collects them, and returns the client certificate if it is of files. What cannot be
// read is left to the transport, which says why.
func followed(roots *reload.CertPool, c rest.TLSClientConfig, log *slog.Logger) (all []reload.Followed, own *reload.KeyPair) {
	all = roots.Followed(nameCA)
	if cas, err := certutil.ParseCertsPEM(c.CAData); err == nil {
		all = append(all, given(nameCA, reload.Summarize(nil, cas)))
	}
	switch {
	case len(c.CertData) > 0:
		if pair, err := tls.X509KeyPair(c.CertData, c.KeyData); err == nil {
			all = append(all, given(nameClientCert, reload.SummarizeOwn(&pair)))
		}
	case c.CertFile != "" && len(c.KeyData) == 0:
		if pair, err := reload.LoadKeyPair(c.CertFile, c.KeyFile, log); err == nil {
			all, own = append(all, pair.Followed(nameClientCert)...), pair
		}
	}
	return all, own
}

// given are certificates that do not change, as the kubeconfig has them.
func given(name string, all []reload.Certificate) reload.Followed {
	status := reload.Status{Read: time.Now(), Certificates: all}
	return reload.Followed{Name: name, Poll: func() {}, Status: func() reload.Status { return status }}
}

// material is what connections are authenticated by: the CAs of the API server, and the
// agent's certificate. Each is nil if it is in the kubeconfig itself. A token is sent with
// each request, and says nothing about a connection.
type material struct {
	roots *x509.CertPool
	own   *tls.Certificate
}

// material reads files that have changed.
func (u *Client) material() (m material) {
	if u.roots != nil {
		m.roots = u.roots.Pool()
	}
	if u.pair != nil {
		m.own = u.pair.Certificate()
	}
	return m
}

// renew has requests use new connections once a file of material has changed: what an old
// certificate could do must end with it, and an API server whose CA is no longer trusted
// must get nothing more. What was asked before goes on, up to the end of a watch.
func (u *Client) renew() {
	now := u.material()
	if was := u.used.Load(); was != nil && *was == now {
		return
	}
	u.renewing.Lock()
	defer u.renewing.Unlock()
	was := u.used.Load()
	if was != nil && *was == now {
		return
	}
	kept := now // only this one is allocated
	u.used.Store(&kept)
	streaming := u.newTransport(u.config)
	if old := u.http1.Swap(&streaming); old != nil {
		old.CloseIdleConnections()
	}
	for _, p := range u.pools() {
		p.Retire()
	}
	if u.http2 != nil && was != nil {
		u.http2.renew()
	}
}

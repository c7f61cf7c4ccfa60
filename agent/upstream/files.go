package upstream

import (
	"crypto/tls"
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

// followed collects them. What cannot be read is left to the transport, which says why.
func followed(roots *reload.CertPool, c rest.TLSClientConfig, log *slog.Logger) (all []reload.Followed) {
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
			all = append(all, pair.Followed(nameClientCert)...)
		}
	}
	return all
}

// given are certificates that do not change, as the kubeconfig has them.
func given(name string, all []reload.Certificate) reload.Followed {
	status := reload.Status{Read: time.Now(), Certificates: all}
	return reload.Followed{Name: name, Poll: func() {}, Status: func() reload.Status { return status }}
}

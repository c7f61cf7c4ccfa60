package clientcert

import (
	"crypto/x509"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/fairlead-io/fairlead/deploy/reload"
)

// maxChain bounds the certificates that a sender presents: its own and its
// intermediate CAs. Verification tries the others in turn.
const maxChain = 10

// bundle is a set of CAs as of the last look at its file.
type bundle struct {
	file *reload.CertPool
	pool atomic.Pointer[x509.CertPool]
}

func openBundle(path string, log *slog.Logger) (*bundle, error) {
	file, err := reload.LoadCertPool(path, log)
	if err != nil {
		return nil, err
	}
	b := &bundle{file: file}
	b.refresh()
	return b, nil
}

// refresh reports whether the set has changed since the last call.
func (b *bundle) refresh() bool {
	now := b.file.Pool()
	return b.pool.Swap(now) != now
}

// proof is what must be good for a caller to be who it is: certificates, the
// sender's own first, that lead to a CA of a bundle.
type proof struct {
	bundle *bundle
	certs  []*x509.Certificate
}

// verify returns until when the certificates are good with a set of CAs of the
// bundle.
func (p *proof) verify(pool *x509.CertPool, now time.Time) (until time.Time, err error) {
	leaf := p.certs[0]
	if len(p.certs) > maxChain {
		return time.Time{}, fmt.Errorf("%w: %d certificates were sent, at most %d allowed", ErrNotGood, len(p.certs), maxChain)
	}
	options := x509.VerifyOptions{Roots: pool, Intermediates: x509.NewCertPool(), CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	for _, c := range p.certs[1:] {
		options.Intermediates.AddCert(c)
	}
	chains, err := leaf.Verify(options)
	if err != nil {
		return time.Time{}, reason(leaf, err, now)
	}
	for _, chain := range chains {
		if end := ends(chain); end.After(until) {
			until = end
		}
	}
	return until, nil
}

// ends returns when the first certificate of a chain expires.
func ends(chain []*x509.Certificate) time.Time {
	first := chain[0].NotAfter
	for _, c := range chain[1:] {
		if c.NotAfter.Before(first) {
			first = c.NotAfter
		}
	}
	return first
}

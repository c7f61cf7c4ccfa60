package reload

import (
	"crypto/x509"
	"log/slog"
	"sync"
	"time"
)

const (
	// expiryAhead is how long before its end a certificate is warned about: time
	// enough to notice and to renew. Certificates that live shorter are renewed
	// by machines, and warned about in the last third of their life.
	expiryAhead = 30 * 24 * time.Hour
	// expiryRepeat is how often the warning is repeated.
	expiryRepeat = 24 * time.Hour
)

// expiryNotice warns about a certificate that is about to expire. It is safe
// for concurrent use.
type expiryNotice struct {
	log  *slog.Logger
	file string

	mu   sync.Mutex // guards the rest
	cert *x509.Certificate
	said time.Time // about cert
}

// check is cheap: it is part of every handshake.
func (n *expiryNotice) check(cert *x509.Certificate) {
	now := time.Now()
	left := cert.NotAfter.Sub(now)
	if left > min(expiryAhead, cert.NotAfter.Sub(cert.NotBefore)/3) || !n.due(cert, now) {
		return
	}
	if left <= 0 {
		n.log.Error("certificate has expired and clients refuse it: replace the file, no restart is needed", "file", n.file, "expired", cert.NotAfter)
		return
	}
	n.log.Warn("certificate expires soon: replace the file, no restart is needed", "file", n.file, "expires", cert.NotAfter)
}

// due reports whether a warning about cert is due, and counts it as given.
func (n *expiryNotice) due(cert *x509.Certificate, now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cert == cert && now.Sub(n.said) < expiryRepeat {
		return false
	}
	n.cert, n.said = cert, now
	return true
}

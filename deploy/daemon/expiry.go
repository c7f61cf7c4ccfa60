package daemon

import (
	"crypto/x509"
	"log/slog"
	"time"
)

const (
	// expiryAhead is how long before its end a certificate is complained of:
	// time enough to notice and to renew. Certificates that live shorter are
	// renewed by machines, and complained of in their last third.
	expiryAhead = 30 * 24 * time.Hour
	// expiryRepeat is how often.
	expiryRepeat = 24 * time.Hour
)

// expiryNotice complains of a certificate that is about to expire.
type expiryNotice struct {
	log  *slog.Logger
	file string
	said time.Time
}

// look is cheap: it is part of every handshake.
func (n *expiryNotice) look(cert *x509.Certificate) {
	now := time.Now()
	left := cert.NotAfter.Sub(now)
	if left > min(expiryAhead, cert.NotAfter.Sub(cert.NotBefore)/3) || now.Sub(n.said) < expiryRepeat {
		return
	}
	n.said = now
	if left <= 0 {
		n.log.Error("certificate has expired: clients refuse it until the file is renewed", "file", n.file, "expired", cert.NotAfter)
		return
	}
	n.log.Warn("certificate expires soon: renew the file, it is read again by itself", "file", n.file, "expires", cert.NotAfter)
}

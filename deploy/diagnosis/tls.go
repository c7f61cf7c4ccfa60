package diagnosis

import (
	"crypto/tls"
	"fmt"
	"time"

	"github.com/fairlead-io/fairlead/subjects/cause/classify"
)

// ExpiryWarning is how long before their end certificates and credentials are warned
// about.
const ExpiryWarning = 14 * 24 * time.Hour

// SkewWarning is how far apart clocks may be. Clocks that NTP sets differ by
// milliseconds; a header Date is cut to the second.
const SkewWarning = 5 * time.Second

// PassTLS makes the check one of an agreed TLS.
func (c *Check) PassTLS(s *tls.ConnectionState, now time.Time) {
	version := tls.VersionName(s.Version)
	c.Fact("version", version)
	c.Fact("cipherSuite", tls.CipherSuiteName(s.CipherSuite))
	c.Fact("protocol", s.NegotiatedProtocol)
	if len(s.PeerCertificates) == 0 {
		c.Pass(version)
		return
	}
	leaf := s.PeerCertificates[0]
	print := classify.Fingerprint(leaf)
	c.Fact("subject", leaf.Subject.String())
	c.Fact("issuer", leaf.Issuer.String())
	c.Fact("notAfter", leaf.NotAfter.UTC().Format(time.RFC3339))
	c.Fact("sha256", print)
	c.Pass(fmt.Sprintf("%s, certificate %s by %s, %s, SHA-256 %s", version, named(leaf.Subject.String()), named(leaf.Issuer.String()), until(leaf.NotAfter, now), print))
	for _, cert := range s.PeerCertificates {
		c.WarnExpiry("the certificate "+named(cert.Subject.String()), cert.NotAfter, now)
	}
}

// named shows a distinguished name that may be empty.
func named(name string) string {
	if name == "" {
		return "without a name"
	}
	return name
}

// until says when something expires.
func until(end, now time.Time) string {
	at, left := end.UTC().Format(time.RFC3339), end.Sub(now)
	switch {
	case left <= 0:
		return "expired " + at
	case left < 48*time.Hour:
		return fmt.Sprintf("expires %s (in %d hours)", at, int(left/time.Hour))
	}
	return fmt.Sprintf("expires %s (in %d days)", at, int(left/(24*time.Hour)))
}

// Until says when something expires that may never do so, which is the zero time.
func Until(end, now time.Time) string {
	if end.IsZero() {
		return "never expires"
	}
	return until(end, now)
}

// WarnExpiry warns if something ends soon. The zero time is never.
func (c *Check) WarnExpiry(what string, end, now time.Time) {
	if !end.IsZero() && end.Sub(now) < ExpiryWarning {
		c.Warn(what + " " + until(end, now))
	}
}

// WarnSkew warns if the clock of the other end, as read at now, is far from this one.
func (c *Check) WarnSkew(date, now time.Time) {
	if date.IsZero() {
		return
	}
	// The middle of the second that the header's is cut to.
	skew := date.Add(time.Second / 2).Sub(now).Round(time.Second)
	c.Fact("clockSkew", skew.String())
	if skew.Abs() <= SkewWarning {
		return
	}
	ahead := "ahead of"
	if skew < 0 {
		ahead = "behind"
	}
	c.Warn(fmt.Sprintf("the clock of the other end is %s %s this machine's: set the wrong one (NTP)", skew.Abs(), ahead))
}

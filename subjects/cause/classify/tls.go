package classify

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

// ofTLS returns the cause of an error of TLS, [cause.Unknown] for any other error, and
// what came back, "" for the error's text.
func ofTLS(err error) (cause.ID, string) {
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return ofCertificate(e.Err, e.UnverifiedCertificates), cause.Clip(fault(e.Err), maxFault) + "; " + Chain(e.UnverifiedCertificates)
	}
	if e, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return cause.NotTLS, notTLS(e.RecordHeader[:])
	}
	if alert, ok := Alert(err); ok {
		return ofAlert(alert), ""
	}
	return cause.Unknown, ""
}

// ofCertificate returns the cause for a chain that does not verify.
func ofCertificate(err error, chain []*x509.Certificate) cause.ID {
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		if e.Reason == x509.Expired {
			return cause.CertificateExpired
		}
		return cause.CertificateInvalid
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return cause.CertificateName
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		if Inspected(chain) {
			return cause.Intercepted
		}
		return cause.CertificateUnknown
	}
	return cause.CertificateInvalid
}

// fault says what is wrong with a chain: in Go's words, except where these hold the
// time of day.
func fault(err error) string {
	if name := sameName(err); name != "" {
		return "x509: certificate signed by unknown authority: a CA of the same name, " + name +
			", is known here and has another key, so it was made again, or is another one"
	}
	e, ok := errors.AsType[x509.CertificateInvalidError](err)
	switch {
	case !ok || e.Reason != x509.Expired || e.Cert == nil:
		return err.Error()
	case time.Now().Before(e.Cert.NotBefore):
		return fmt.Sprintf("certificate %s is not valid before %s", nameOf(e.Cert, false), e.Cert.NotBefore.UTC().Format(time.RFC3339))
	}
	return fmt.Sprintf("certificate %s has expired on %s", nameOf(e.Cert, false), e.Cert.NotAfter.UTC().Format(time.RFC3339))
}

// otherKey is how crypto/x509 says that a signature does not fit a CA whose name does. It
// exports neither.
var otherKey = regexp.MustCompile(`(?:verification (?:failure|error)|public key of type).*candidate authority certificate (".*")\)$`)

// sameName returns the quoted name of the CA that has the name of the one that signed a
// chain, and another key; "" for none.
func sameName(err error) string {
	e, ok := errors.AsType[x509.UnknownAuthorityError](err)
	if !ok {
		return ""
	}
	if m := otherKey.FindStringSubmatch(e.Error()); m != nil {
		return cause.Clip(m[1], maxName)
	}
	return ""
}

// Alerts by which a server says that it wants another client certificate: see RFC 8446,
// section 6.2. Those about certificates can mean no other: this end has sent it nothing
// else to judge.
const (
	alertBadCertificate         tls.AlertError = 42
	alertUnsupportedCertificate tls.AlertError = 43
	alertCertificateRevoked     tls.AlertError = 44
	alertCertificateExpired     tls.AlertError = 45
	alertCertificateUnknown     tls.AlertError = 46
	alertUnknownCA              tls.AlertError = 48
	alertAccessDenied           tls.AlertError = 49
	alertCertificateRequired    tls.AlertError = 116
)

// ofAlert returns the cause for an alert that the other end has sent.
func ofAlert(alert tls.AlertError) cause.ID {
	switch alert {
	case alertBadCertificate, alertUnsupportedCertificate, alertCertificateRevoked, alertCertificateExpired,
		alertCertificateUnknown, alertUnknownCA, alertAccessDenied, alertCertificateRequired:
		return cause.ClientCertificate
	}
	return cause.TLSRefused
}

// notTLS names the protocol of a server that does not speak TLS by its first bytes.
func notTLS(first []byte) string {
	switch string(first) {
	case "INFO ":
		return "the server there is a NATS server's TCP port: use tls://, not wss://"
	case "HTTP/":
		return "the server there speaks HTTP without TLS"
	}
	return fmt.Sprintf("the server there does not speak TLS: it begins with %q", first)
}

// Bounds of what is shown of a chain.
const (
	maxFault = 200 // characters of what is wrong with it
	maxChain = 3   // certificates: leaf, intermediate, root
	maxName  = 60  // characters of a name
)

// Chain shows the certificates that a server has sent, the leaf first: subject, issuer
// and end of each, and the SHA-256 fingerprint of the leaf, by which people can compare
// it. It is bounded and on one line.
func Chain(chain []*x509.Certificate) string {
	if len(chain) == 0 {
		return "the server sent no certificate"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "chain seen, SHA-256 of the leaf %s;", Fingerprint(chain[0]))
	for i, c := range chain {
		if i == maxChain {
			fmt.Fprintf(&b, " and %d more", len(chain)-maxChain)
			break
		}
		fmt.Fprintf(&b, " [%d] %s, issued by %s, valid until %s;", i, nameOf(c, false), nameOf(c, true), c.NotAfter.UTC().Format(time.RFC3339))
	}
	return strings.TrimSuffix(b.String(), ";")
}

// Fingerprint is the SHA-256 of a certificate, as browsers and openssl show it.
func Fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	pairs := make([]string, len(sum))
	for i, x := range sum {
		pairs[i] = strings.ToUpper(hex.EncodeToString([]byte{x}))
	}
	return strings.Join(pairs, ":")
}

// nameOf is the subject or the issuer of a certificate, quoted. Leaves that have
// alternative names only are shown by the first.
func nameOf(c *x509.Certificate, issuer bool) string {
	name := c.Subject.String()
	if issuer {
		name = c.Issuer.String()
	} else if name == "" && len(c.DNSNames) > 0 {
		name = "DNS:" + c.DNSNames[0]
	}
	return `"` + cause.Clip(name, maxName) + `"`
}

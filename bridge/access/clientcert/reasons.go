package clientcert

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
)

// The reasons why a certificate does not identify a caller. All wrap
// [access.ErrUnrecognized]: a request may have another credential.
var (
	ErrExpired     error = unrecognized{errors.New("the client certificate has expired")}
	ErrNotYetValid error = unrecognized{errors.New("the client certificate is not yet valid")}
	ErrUnknownCA   error = unrecognized{errors.New("the client certificate is not of a CA that this bridge trusts")}
	ErrUsage       error = unrecognized{errors.New("the client certificate is not for client authentication")}
	ErrNotGood     error = unrecognized{errors.New("the client certificate is not valid here")}
	ErrNoName      error = unrecognized{errors.New("the client certificate does not name a user")}
	ErrCrossSite   error = unrecognized{errors.New("a web page of another site sent the request, which cannot use a client certificate; it can send a bearer token")}
	ErrHeader      error = unrecognized{errors.New("the client certificate that the proxy sent cannot be read")}
)

// unrecognized is an error that is [access.ErrUnrecognized] too.
type unrecognized struct{ error }

func (e unrecognized) Is(target error) bool { return target == access.ErrUnrecognized }

func (e unrecognized) Unwrap() error { return e.error }

// reason says why a certificate could not be verified. It has the name that the
// sender's own certificate gives it, and nothing of the CAs.
func reason(cert *x509.Certificate, err error, now time.Time) error {
	name := answer.Clip(cert.Subject.CommonName)
	switch {
	case now.After(cert.NotAfter):
		return fmt.Errorf("%w: that of %q was valid until %s, and it is %s here", ErrExpired, name, clock(cert.NotAfter), clock(now))
	case now.Before(cert.NotBefore):
		return fmt.Errorf("%w: that of %q is valid from %s, and it is %s here", ErrNotYetValid, name, clock(cert.NotBefore), clock(now))
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return fmt.Errorf("%w: it names %q, issued by %q", ErrUnknownCA, name, answer.Clip(cert.Issuer.CommonName))
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		switch invalid.Reason {
		case x509.IncompatibleUsage:
			return fmt.Errorf("%w: that of %q lacks the extended key usage clientAuth", ErrUsage, name)
		case x509.Expired:
			return fmt.Errorf("%w: a CA certificate above that of %q is not within its times", ErrNotGood, name)
		}
	}
	return fmt.Errorf("%w: that of %q cannot be verified", ErrNotGood, name)
}

func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }

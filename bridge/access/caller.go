package access

import (
	"errors"
	"net/http"
	"time"
)

// Method is how a caller was authenticated.
type Method string

// The methods.
const (
	MethodToken       Method = "token"       // a token of the bridge's own file
	MethodOIDC        Method = "oidc"        // an ID token of an OpenID Connect issuer
	MethodCertificate Method = "certificate" // a TLS client certificate
	MethodWebhook     Method = "webhook"     // a TokenReview of another service
)

// Caller is the user or program that sent a request. It is never changed once it has
// been authenticated.
type Caller struct {
	// Name is the user name in grants, logs and audit; it is not a secret.
	Name   string
	Groups []string
	UID    string
	Extra  map[string][]string // keys in lower case
	Method Method
	// Issuer is the name that the configuration gives to who vouches for the
	// caller, such as that of an OpenID Connect issuer; "" for the bridge itself.
	Issuer string
	// CountBy is what limits and turns count the caller by, together with all callers of
	// the same method and issuer that have the same; "" for the name alone. It is set
	// where one person or project can come under many names.
	CountBy string
	// Claims are those of an ID token, as encoding/json decodes them; nil without.
	Claims map[string]any
	// Clusters are those that the caller's own token names, for [TokenClusters].
	Clusters []Pattern
	// Expires is when the credential ends; zero: it has no end.
	Expires time.Time
	// Lease ends when the other fields are out of date: the credential is no
	// longer valid, belongs to another caller, or has other grants. nil means that
	// they never change.
	Lease *Lease
}

// current returns the caller that the credential stands for now, or why it stands for
// none.
func (c *Caller) current() (*Caller, error) {
	for c.Lease.Ended() {
		next := c.Lease.successor()
		if next == nil {
			return nil, c.Lease.why()
		}
		c = next
	}
	return c, nil
}

// Authenticator identifies the sender of a request. It is safe for concurrent use.
type Authenticator interface {
	// Authenticate returns the caller, or an error whose text may be shown to the
	// sender. An error that wraps [ErrUnrecognized] or [ErrNoCredentials] leaves the
	// request to another authenticator, an answer.Failure is the answer as it is,
	// and any other error is a 401. It must not read the body.
	Authenticate(r *http.Request) (*Caller, error)
}

// ErrUnrecognized is wrapped where an authenticator does not know a credential, so
// that another one may.
var ErrUnrecognized = errors.New("the credential is not known here")

// Chain asks one authenticator after the other. The first that recognizes the
// request's credential decides. Where none does, the last error that says more than
// that there is no credential is the answer.
type Chain []Authenticator

// Authenticate implements [Authenticator].
func (c Chain) Authenticate(r *http.Request) (*Caller, error) {
	var last error = ErrNoCredentials
	var bearer struct {
		credential Credential
		err        error
		read       bool
	}
	for _, a := range c {
		var caller *Caller
		var err error
		if b, ok := a.(BearerAuthenticator); !ok {
			caller, err = a.Authenticate(r)
		} else {
			if !bearer.read {
				bearer.credential, bearer.err = credentialOf(r)
				bearer.read = true
			}
			if err = bearer.err; err == nil {
				caller, err = b.AuthenticateBearer(r.Context(), bearer.credential)
			}
		}
		switch {
		case err == nil:
			return caller, nil
		case errors.Is(err, ErrNoCredentials):
		case errors.Is(err, ErrUnrecognized):
			last = err
		default:
			return nil, err
		}
	}
	return nil, last
}

package oidc

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
)

// The reasons why a token is not accepted. The first three wrap
// [access.ErrUnrecognized]: another authenticator may know the token.
var (
	ErrNotJWT         error = unrecognized{errors.New("the bearer token is not valid here: it is not a JSON Web Token")}
	ErrUnknownIssuer  error = unrecognized{errors.New("the ID token is of an issuer that is not configured here")}
	ErrServiceAccount error = unrecognized{errors.New("the bearer token is a cluster's own service account token, which this bridge cannot check")}

	ErrAlgorithm   = errors.New("the ID token is signed with an algorithm that is not accepted")
	ErrMalformed   = errors.New("the ID token is malformed")
	ErrExpired     = errors.New("the ID token has expired")
	ErrNotYetValid = errors.New("the ID token is not yet valid")
	ErrUnknownKey  = errors.New("the ID token is signed with a key that its issuer does not publish")
	ErrSignature   = errors.New("the signature of the ID token is wrong")
	ErrAudience    = errors.New("the ID token is for another audience")
	ErrClaims      = errors.New("the claims of the ID token do not identify a caller")

	// errRetired is seen by a request that has found the configuration of before.
	errRetired = errors.New("the bridge's configuration of the ID token's issuer has just changed")

	// ErrUnreachable is wrapped by an [answer.Failure] of answer.IssuerUnreachable.
	ErrUnreachable = errors.New("the issuer's keys cannot be read")
)

// unrecognized is an error that is [access.ErrUnrecognized] too.
type unrecognized struct{ error }

func (e unrecognized) Is(target error) bool { return target == access.ErrUnrecognized }

func (e unrecognized) Unwrap() error { return e.error }

// maxShown bounds what is shown of a token's own text, in bytes.
const maxShown = 200

// quote shows what a sender wrote.
func quote(s string) string {
	if len(s) > maxShown {
		return fmt.Sprintf("%q...", s[:maxShown])
	}
	return fmt.Sprintf("%q", s)
}

// answerable is the text of an error, at most so long that it can be shown.
func answerable(err error) string {
	if s := err.Error(); len(s) <= maxShown {
		return s
	}
	return strings.ToValidUTF8(err.Error()[:maxShown], "") + "..."
}

func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// unreachable is the answer when a key is needed that is not known, and the issuer
// does not say which keys it has.
func (i *issuer) unreachable(why string) error {
	return answer.Failf(answer.IssuerUnreachable, "%w: the ID token cannot be checked, as issuer %q (%s) %s",
		ErrUnreachable, i.config.Name, i.config.URL, why)
}

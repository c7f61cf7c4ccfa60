package signin

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/oauth2"
)

// ErrEnded means that the issuer no longer accepts the refresh token.
var ErrEnded = errors.New("the issuer has ended the login")

// maxShown is how much of an issuer's description is shown: a line or two.
const maxShown = 200

// fault is the error of a step at the token endpoint, without the body of the
// response, which may hold tokens.
func fault(step string, err error) error {
	var r *oauth2.RetrieveError
	switch {
	case !errors.As(err, &r):
		return fmt.Errorf("%s: %w", step, err)
	case r.ErrorCode == "":
		return fmt.Errorf("%s: the issuer answered %d", step, r.Response.StatusCode)
	case r.ErrorCode == "invalid_client":
		return fmt.Errorf("%s: the issuer says %s: is the client public, and if not, is its secret the right one? (login --client-secret-file, --client-secret-env)",
			step, refusal(r.ErrorCode, r.ErrorDescription))
	}
	return fmt.Errorf("%s: the issuer says %s", step, refusal(r.ErrorCode, r.ErrorDescription))
}

// NameCA adds to an error that a server's certificate is not trusted which flag would
// name its CA; it leaves other errors as they are.
func NameCA(err error, hint string) error {
	if unknown := new(x509.UnknownAuthorityError); errors.As(err, unknown) {
		return fmt.Errorf("%w: if its CA is your organisation's own, %s", err, hint)
	}
	return err
}

func refusal(code, description string) string {
	if description == "" {
		return Printable(code)
	}
	return Printable(code) + ": " + Printable(description)
}

// Printable shortens what came from elsewhere to a line of text that cannot control
// a terminal.
func Printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
	if r := []rune(s); len(r) > maxShown {
		return string(r[:maxShown]) + "..."
	}
	return s
}

package redact

import "regexp"

// Shown stands in the place of what was taken out.
const Shown = "[redacted]"

// credential matches tokens of the bridge, JSON Web Tokens (and all else that begins with
// a JSON object in base64url), and seeds of NATS, of which a part is enough.
var credential = regexp.MustCompile(`fl_[^\s"'\x60,:()\[\]{}]{6,}|eyJ[A-Za-z0-9_.=-]{6,}|S[OAUCNX][A-Z2-7]{20,}`)

// Text returns the text without credentials.
func Text(s string) string { return credential.ReplaceAllLiteralString(s, Shown) }

// Error returns an error whose text is without credentials; nil for nil. It unwraps to
// err, whose own text still has them.
func Error(err error) error {
	if err == nil {
		return nil
	}
	return redacted{err}
}

type redacted struct{ err error }

func (r redacted) Error() string { return Text(r.err.Error()) }

func (r redacted) Unwrap() error { return r.err }

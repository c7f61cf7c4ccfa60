package dockerconfig

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Login is a user name and a token of a registry. A login that is printed shows the
// registry only.
type Login struct {
	Registry               Registry
	username, token, email string
}

// Reasons for which [NewLogin] refuses. None has a value in it.
var (
	errNoUsername = errors.New("username: none given; a registry that looks at the token alone takes any")
	errNoToken    = errors.New("token: none given")
	errColon      = errors.New("username: has a colon, which ends the user name in HTTP's Basic authentication")
)

// maxLogin bounds each value of a login in bytes. The longest that are known are the JSON
// keys of Google's service accounts, with 2.5 KB.
const maxLogin = 64 << 10

// NewLogin checks the values of a login. Its errors say which value is at fault, and tell
// none.
func NewLogin(r Registry, username, token, email string) (Login, error) {
	switch {
	case username == "":
		return Login{}, errNoUsername
	case token == "":
		return Login{}, errNoToken
	case strings.Contains(username, ":"):
		return Login{}, errColon
	}
	for _, v := range []struct {
		field, value string
		lines        bool // may have several, as a JSON key of a service account has
	}{{"username", username, false}, {"token", token, true}, {"email", email, false}} {
		if err := checkValue(v.value, v.lines); err != nil {
			return Login{}, fmt.Errorf("%s: %w", v.field, err)
		}
	}
	return Login{Registry: r, username: username, token: token, email: email}, nil
}

func checkValue(v string, lines bool) error {
	switch {
	case len(v) > maxLogin:
		return fmt.Errorf("is longer than %d bytes", maxLogin)
	case strings.TrimSpace(v) != v:
		return errors.New("begins or ends with white space, such as the newline of the file that it was read from; remove it")
	case !utf8.ValidString(v) || strings.ContainsRune(v, utf8.RuneError):
		return errors.New("is not UTF-8, and has lost a character")
	case strings.ContainsFunc(v, func(c rune) bool {
		return (c < ' ' || c == 0x7f) && !(lines && (c == '\n' || c == '\r' || c == '\t'))
	}):
		return errors.New("has a control character")
	}
	return nil
}

// entry is the JSON of the login, with the fields and the order that kubectl writes.
func (l *Login) entry() json.RawMessage {
	b, err := json.Marshal(struct {
		Username string `json:"username,omitempty"`
		Password string `json:"password,omitempty"`
		Email    string `json:"email,omitempty"`
		Auth     string `json:"auth,omitempty"`
	}{l.username, l.token, l.email, encodeAuth(l.username, l.token)})
	if err != nil { // strings can be encoded
		panic("dockerconfig: encode a login")
	}
	return b
}

// Format implements [fmt.Formatter]: every verb prints the registry only.
func (l Login) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "{login of %s}", l.Registry) }

// MarshalText implements [encoding.TextMarshaler], which loggers ask.
func (l Login) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%v", l), nil }

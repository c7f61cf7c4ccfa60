package access

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/fairlead-io/fairlead/subjects"
)

// The reasons why a request has no bearer token.
var (
	ErrNoCredentials = errors.New("no bearer token was sent")
	ErrScheme        = errors.New("the Authorization header is not of the form \"Bearer TOKEN\"")
	ErrTokenTooLong  = fmt.Errorf("the bearer token has more than %d bytes", MaxToken)
)

// MaxToken bounds the length of a bearer token in bytes. An ID token of a directory
// that lists a user's groups has up to 16 KiB; common servers allow no larger head.
const MaxToken = 16 << 10

// Credential is a bearer token, and its SHA-256, by which authenticators know it:
// none keeps the token itself.
type Credential struct {
	Token  string
	Digest [sha256.Size]byte
}

// BearerAuthenticator is an [Authenticator] that looks at the bearer token alone. A
// [Chain] asks it by this method, so that the token is read and hashed once for all.
type BearerAuthenticator interface {
	Authenticator
	// AuthenticateBearer is Authenticate for the token of a request whose context is
	// ctx.
	AuthenticateBearer(ctx context.Context, c Credential) (*Caller, error)
}

// ByBearer implements [Authenticator] for a.
func ByBearer(a BearerAuthenticator, r *http.Request) (*Caller, error) {
	c, err := credentialOf(r)
	if err != nil {
		return nil, err
	}
	return a.AuthenticateBearer(r.Context(), c)
}

func credentialOf(r *http.Request) (Credential, error) {
	token, err := Bearer(r)
	if err != nil {
		return Credential{}, err
	}
	return Credential{token, digestOf(token)}, nil
}

var hashed = sync.Pool{New: func() any { return new([MaxToken]byte) }}

// digestOf returns the SHA-256 of a token of at most MaxToken bytes, without the
// allocation that the conversion of a string costs.
func digestOf(token string) [sha256.Size]byte {
	b := hashed.Get().(*[MaxToken]byte)
	n := copy(b[:], token)
	d := sha256.Sum256(b[:n])
	clear(b[:n]) // no token is kept
	hashed.Put(b)
	return d
}

// Bearer returns the bearer token of a request, which has at most MaxToken bytes.
func Bearer(r *http.Request) (string, error) {
	values := r.Header["Authorization"]
	if len(values) == 0 {
		return webSocketBearer(r)
	}
	scheme, value, _ := strings.Cut(values[0], " ")
	value = strings.TrimSpace(value)
	if len(values) > 1 || value == "" || !strings.EqualFold(scheme, "Bearer") {
		return "", ErrScheme
	}
	if len(value) > MaxToken {
		return "", ErrTokenTooLong
	}
	return value, nil
}

func webSocketBearer(r *http.Request) (string, error) {
	for _, line := range r.Header["Sec-Websocket-Protocol"] {
		for p := range strings.SplitSeq(line, ",") {
			encoded, ok := strings.CutPrefix(strings.TrimSpace(p), subjects.BearerProtocol)
			if !ok {
				continue
			}
			if base64.RawURLEncoding.DecodedLen(len(encoded)) > MaxToken {
				return "", ErrTokenTooLong
			}
			b, err := base64.RawURLEncoding.DecodeString(encoded)
			if err != nil || len(b) == 0 {
				return "", ErrScheme
			}
			return string(b), nil
		}
	}
	return "", ErrNoCredentials
}

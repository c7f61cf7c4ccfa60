package access

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"

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

// Bearer returns the bearer token of a request.
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

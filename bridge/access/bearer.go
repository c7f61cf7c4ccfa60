package access

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"

	"github.com/fairlead-io/fairlead/subjects"
)

// The reasons why a request has no bearer token.
var (
	ErrNoCredentials = errors.New("no bearer token was sent")
	ErrScheme        = errors.New("the Authorization header is not of the form \"Bearer TOKEN\"")
)

// MaxToken bounds the length of a bearer token in bytes: JSON Web Tokens with many
// claims have a few thousand.
const MaxToken = 4 << 10

// Bearer returns the bearer token of a request.
func Bearer(r *http.Request) (string, error) {
	values := r.Header["Authorization"]
	if len(values) == 0 {
		return webSocketBearer(r)
	}
	scheme, value, _ := strings.Cut(values[0], " ")
	value = strings.TrimSpace(value)
	if len(values) > 1 || value == "" || len(value) > MaxToken || !strings.EqualFold(scheme, "Bearer") {
		return "", ErrScheme
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
			b, err := base64.RawURLEncoding.DecodeString(encoded)
			if err != nil || len(b) == 0 || len(b) > MaxToken {
				return "", ErrScheme
			}
			return string(b), nil
		}
	}
	return "", ErrNoCredentials
}

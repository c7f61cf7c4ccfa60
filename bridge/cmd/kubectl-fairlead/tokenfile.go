package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/fairlead-io/fairlead/bridge/cmd/kubectl-fairlead/store"
)

// maxToken is the longest token in bytes that a file may have: more than any HTTP server
// takes in a header.
const maxToken = 64 << 10

// fileSession is a session without a login: whoever wrote the file renews the token. The
// file is read each time, so that a token that is renewed counts at once.
func fileSession(bridge, file string) (*store.Session, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("--token-file: %w", err)
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxToken+1))
	if err != nil {
		return nil, fmt.Errorf("--token-file: %w", err)
	}
	token := strings.TrimSpace(string(b))
	if token == "" || len(b) > maxToken || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, fmt.Errorf("--token-file: %s has no single token", file)
	}
	return &store.Session{Bridge: bridge, IDToken: token, Expires: expiry(token)}, nil
}

// expiry is when a JSON Web Token says that it expires, zero for any other token. The
// bridge verifies it; here it only tells when to read the file again.
func expiry(token string) time.Time {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		Expires float64 `json:"exp"`
	}
	if err != nil || json.Unmarshal(b, &claims) != nil || claims.Expires <= 0 || claims.Expires > 1<<40 {
		return time.Time{}
	}
	return time.Unix(int64(claims.Expires), 0)
}

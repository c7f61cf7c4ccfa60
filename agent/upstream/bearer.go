package upstream

import (
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"
	"k8s.io/client-go/transport"
)

// bearerSource gives the Authorization header of a service account. It does
// what client-go's wrapping transport does, without its copy of each request
// and all its headers.
type bearerSource struct {
	tokens oauth2.TokenSource
	last   atomic.Pointer[bearerHeader]
}

type bearerHeader struct {
	token string
	value []string
}

// newBearerSource returns nil unless a bearer token is all that tc asks for.
func newBearerSource(tc *transport.Config) (*bearerSource, error) {
	i := tc.Impersonate
	if !tc.HasTokenAuth() || tc.HasBasicAuth() || tc.WrapTransport != nil || tc.Transport != nil ||
		i.UserName != "" || i.UID != "" || len(i.Groups) > 0 || len(i.Extra) > 0 {
		return nil, nil
	}
	var b bearerSource
	b.tokens = oauth2.StaticTokenSource(&oauth2.Token{AccessToken: tc.BearerToken})
	if tc.BearerTokenFile != "" {
		b.tokens = transport.NewCachedFileTokenSource(tc.BearerTokenFile) // read again every minute
	}
	token, err := b.tokens.Token()
	if err != nil {
		return nil, fmt.Errorf("API server credentials: %w", err)
	}
	b.store(token.AccessToken)
	return &b, nil
}

func (b *bearerSource) store(token string) *bearerHeader {
	h := &bearerHeader{token, []string{"Bearer " + token}}
	b.last.Store(h)
	return h
}

// forgetEvery is how often a refused token is read again from its file, which
// is otherwise done once a minute.
const forgetEvery = 10 * time.Second

// forget has a token that was refused read again from its file, which may have
// a newer one.
func (b *bearerSource) forget() {
	if ts, ok := b.tokens.(transport.ResettableTokenSource); ok {
		ts.ResetTokenOlderThan(time.Now().Add(-forgetEvery))
	}
}

// header returns the header's values, which must not be changed.
func (b *bearerSource) header() []string {
	h := b.last.Load()
	// If the file cannot be read the token stays in use: the API server decides
	// whether it is still valid.
	if t, err := b.tokens.Token(); err == nil && t.AccessToken != h.token {
		h = b.store(t.AccessToken)
	}
	return h.value
}

package access

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// bearer is an authenticator of one token.
type bearer struct {
	token string
	asked *int
}

func (b bearer) Authenticate(r *http.Request) (*Caller, error) { return ByBearer(b, r) }

func (b bearer) AuthenticateBearer(_ context.Context, c Credential) (*Caller, error) {
	*b.asked++
	if c.Digest != sha256.Sum256([]byte(b.token)) || c.Token != b.token {
		return nil, ErrUnrecognized
	}
	return &Caller{Name: b.token}, nil
}

// other is an authenticator that looks at something else.
type other struct{ err error }

func (o other) Authenticate(*http.Request) (*Caller, error) { return nil, o.err }

// A chain gives the same answers as its authenticators one after the other.
func TestChainOfBearers(t *testing.T) {
	fault := errors.New("expired")
	long := strings.Repeat("x", MaxToken)
	asked := 0
	for header, want := range map[string]struct {
		name string
		err  error
	}{
		"Bearer a": {"a", nil}, "Bearer b": {"b", nil}, "bearer  b ": {"b", nil}, "Bearer " + long: {long, nil},
		"Bearer c": {"", ErrUnrecognized}, "Basic a": {"", ErrScheme}, "Bearer " + long + "x": {"", ErrTokenTooLong}, "": {"", ErrNoCredentials},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		if header != "" {
			r.Header.Set("Authorization", header)
		}
		c, err := Chain{other{ErrNoCredentials}, bearer{"a", &asked}, other{ErrUnrecognized}, bearer{"b", &asked}, bearer{long, &asked}}.Authenticate(r)
		if header == "" && errors.Is(err, ErrUnrecognized) { // of the other
			err = ErrNoCredentials
		}
		if !errors.Is(err, want.err) || err == nil && c.Name != want.name {
			t.Errorf("%.20q: %v, %v, want %+v", header, c, err, want)
		}
	}
	if asked != 1+2+2+3+3 {
		t.Errorf("asked %d times", asked)
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer a")
	if _, err := (Chain{other{fault}, bearer{"a", &asked}}).Authenticate(r); !errors.Is(err, fault) {
		t.Errorf("after an error that decides: %v", err)
	}
}

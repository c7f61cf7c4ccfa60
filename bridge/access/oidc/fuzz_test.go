package oidc

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/fairlead-io/fairlead/bridge/access"
)

// FuzzToken: whatever is sent as a token, nothing that the issuer has not signed is
// accepted, and the text of the refusal can be shown.
func FuzzToken(f *testing.F) {
	i := startIssuer(f)
	config := trusting(i)
	config.Username = `claims.sub + claims.list[0]`
	a := open(f, config)
	good := mint(f, i, map[string]any{"list": []string{"x"}})
	waitAccepted(f, a, good)
	parts := strings.Split(good, ".")
	encode := base64.RawURLEncoding.EncodeToString
	f.Add(good)
	f.Add(parts[0] + ".." + parts[2])
	f.Add(encode([]byte(`{"alg":"none"}`)) + "." + parts[1] + ".")
	f.Add(encode([]byte(`{"alg":"HS256","kid":"key-1"}`)) + "." + parts[1] + "." + parts[2])
	f.Add(parts[0] + "." + encode([]byte(`{"iss":"`+i.URL()+`","exp":1e400}`)) + "." + parts[2])
	f.Add(parts[0] + "." + encode([]byte(strings.Repeat(`{"a":`, 3000))) + "." + parts[2])
	f.Fuzz(func(t *testing.T, token string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header["Authorization"] = []string{"Bearer " + token}
		c, err := a.Authenticate(r)
		if err == nil {
			if strings.TrimSpace(token) != good {
				t.Errorf("accepted as %+v", c)
			}
			return
		}
		if text := err.Error(); !utf8.ValidString(text) || len(text) > 2000 || strings.ContainsAny(text, "\x00\r\n") {
			t.Errorf("text %q", text)
		}
	})
}

// FuzzClaims: whatever an issuer signs gives a caller with usable names or a refusal.
func FuzzClaims(f *testing.F) {
	config := Issuer{Name: "ci", Username: `"u:" + claims.a`, Groups: `claims.b`, UID: `claims.c`}
	id, err := newIdentity(&config)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"a":"x","b":["y"],"c":"z","aud":"me","exp":1,"nbf":1.5}`))
	f.Add([]byte(`{"a":"x","b":"y","c":"z","aud":["me",1,null],"exp":-1}`))
	f.Add([]byte(`{"a":null,"b":[[]],"c":{},"aud":{},"exp":"x"}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		head := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256"}`))
		tok, err := parse(head + "." + base64.RawURLEncoding.EncodeToString(payload) + ".x")
		if err != nil {
			if !errors.Is(err, access.ErrUnrecognized) {
				t.Error(err)
			}
			return
		}
		for _, claim := range []string{"exp", "nbf"} {
			if at, ok, err := tok.seconds(claim); err == nil && ok && (at.Year() < 1970 || at.Year() > 9999) {
				t.Errorf("%s is %v", claim, at)
			}
		}
		_ = tok.meant([]string{"me"})
		c := &access.Caller{Issuer: "ci", Claims: tok.claims}
		if err := id.set(t.Context(), c); err != nil {
			if !errors.Is(err, ErrClaims) {
				t.Error(err)
			}
			return
		}
		for _, s := range append(c.Groups, c.Name, c.UID) {
			if usable(s) != nil {
				t.Errorf("got %+v", c)
			}
		}
	})
}

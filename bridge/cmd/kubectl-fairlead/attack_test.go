package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// get follows a URL as far as the browser's own redirects, with the CA of the issuer
// where it is asked.
func (r *rig) get(address string) (status int, location string) {
	r.t.Helper()
	c := r.httpClient()
	defer c.CloseIdleConnections()
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := c.Get(address)
	if err != nil {
		r.t.Errorf("browser: %v", err)
		return 0, ""
	}
	_ = res.Body.Close()
	return res.StatusCode, res.Header.Get("Location")
}

// TestOtherPages: requests that are not the issuer's answer neither end the login nor
// take its place.
func TestOtherPages(t *testing.T) {
	r := newRig(t, nil)
	done := make(chan struct{})
	r.plugin.open = func(address string) error {
		go func() {
			defer close(done)
			_, good := r.get(address)
			u, err := url.Parse(good)
			if err != nil {
				t.Error(err)
				return
			}
			wrong := u.Query()
			wrong.Set("state", "guessed")
			wrong.Set("code", "code-of-mallory")
			callback := "http://" + u.Host + "/callback"
			for address, want := range map[string]int{
				callback: 400, callback + "?" + wrong.Encode(): 400, callback + "?error=access_denied": 400,
				"http://" + u.Host + "/favicon.ico": 404,
			} {
				if status, _ := r.get(address); status != want {
					t.Errorf("%s: %d, want %d", address, status, want)
				}
			}
			if status, _ := r.get(good); status != http.StatusOK {
				t.Errorf("the answer itself: %d", status)
			}
		}()
		return nil
	}
	r.must(r.loginFlags()...)
	<-done
	r.credential()
}

// TestAnswersRefused: answers of the issuer that give no login.
func TestAnswersRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		answer func(url.Values)     // changes what the browser brings back
		claims func(map[string]any) // changes the ID token
		want   string
	}{
		"denied": {answer: func(q url.Values) {
			q.Del("code")
			q.Set("error", "access_denied")
			q.Set("error_description", "no\x1b[31m way")
		}, want: "the issuer says access_denied: no?[31m way"},
		"no code":              {answer: func(q url.Values) { q.Del("code") }, want: "has no code"},
		"code of another":      {answer: func(q url.Values) { q.Set("code", "code-of-mallory") }, want: "exchange the code: the issuer says invalid_grant"},
		"issuer of another":    {answer: func(q url.Values) { q.Set("iss", "https://evil.example.com") }, want: "another issuer"},
		"nonce of another":     {claims: func(c map[string]any) { c["nonce"] = "other" }, want: "its nonce differs"},
		"no nonce":             {claims: func(c map[string]any) { c["nonce"] = nil }, want: "its nonce differs"},
		"expired":              {claims: func(c map[string]any) { c["exp"] = time.Now().Add(-time.Minute).Unix() }, want: "this computer's clock says"},
		"for another client":   {claims: func(c map[string]any) { c["aud"] = "other" }, want: "not valid"},
		"of another issuer":    {claims: func(c map[string]any) { c["iss"] = "https://evil.example.com" }, want: "not valid"},
		"valid from next week": {claims: func(c map[string]any) { c["nbf"] = time.Now().Add(7 * 24 * time.Hour).Unix() }, want: "not valid"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			if tt.claims != nil {
				r.people.SetClaims(tt.claims)
			}
			done := make(chan struct{})
			r.plugin.open = func(address string) error {
				go func() {
					defer close(done)
					_, location := r.get(address)
					u, err := url.Parse(location)
					if err != nil {
						t.Error(err)
						return
					}
					q := u.Query()
					if tt.answer != nil {
						tt.answer(q)
					}
					u.RawQuery = q.Encode()
					r.get(u.String())
				}()
				return nil
			}
			r.fails(r.loginFlags(), tt.want)
			<-done
			r.fails([]string{"token"}, "not logged in")
		})
	}
}

// TestSignatureOfAnother: an ID token that the issuer's published keys do not sign.
func TestSignatureOfAnother(t *testing.T) {
	r := newRig(t, nil)
	r.people.SetClaims(func(map[string]any) {})
	r.issuer.SetMetadata("jwks_uri", r.issuer.URL()+"/other-keys")
	r.issuer.Handle("/other-keys", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"keys":[]}`))
	}))
	r.fails(r.loginFlags(), "not valid")
}

// TestIssuerOnHTTPS: no endpoint where others could listen, or that a browser would
// not open as a page.
func TestIssuerOnHTTPS(t *testing.T) {
	r := newRig(t, nil)
	flags := r.loginFlags()
	flags[2] = strings.Replace(flags[2], "https:", "http:", 1)
	r.fails(flags, "want an https URL")
	for field, value := range map[string]string{
		"authorization_endpoint": "file:///etc/passwd", "token_endpoint": "http://issuer.example.com/token",
		"device_authorization_endpoint": "javascript:1", "revocation_endpoint": "http://issuer.example.com/revoke",
	} {
		t.Run(field, func(t *testing.T) {
			r := newRig(t, nil)
			r.issuer.SetMetadata(field, value)
			r.fails(r.loginFlags(), field, value)
		})
	}
}

// TestTokenInErrorBody: what an issuer answers is not shown, as it may hold tokens.
func TestTokenInErrorBody(t *testing.T) {
	r := newRig(t, nil)
	r.issuer.Handle("/token", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
		_, _ = w.Write([]byte("proxy failed after refresh_token=SENTINEL"))
	}))
	stdout, stderr, err := r.run(r.loginFlags()...)
	if err == nil || !strings.Contains(err.Error(), "the issuer answered 502") || strings.Contains(stdout+stderr+err.Error(), "SENTINEL") {
		t.Errorf("got %v, %q", err, stderr)
	}
}

// TestBridgeURL: ID tokens are sent encrypted, or to this computer.
func TestBridgeURL(t *testing.T) {
	for raw, want := range map[string]string{
		"https://Fairlead.Example.com:443/":     "https://fairlead.example.com",
		"https://git.example.com/-/fairlead/":   "https://git.example.com/-/fairlead",
		"https://fairlead.example.com:8443":     "https://fairlead.example.com:8443",
		"http://localhost:8080":                 "http://localhost:8080",
		"http://[::1]:80":                       "http://[::1]",
		"http://fairlead.example.com":           "",
		"http://localhost.example.com":          "",
		"fairlead.example.com":                  "",
		"https://u:p@fairlead.example.com":      "",
		"https://fairlead.example.com?x=1":      "",
		"https://fairlead.example.com#fragment": "",
		"ftp://localhost":                       "",
	} {
		got, err := normalURL(raw)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v, want %q", raw, got, err, want)
		}
	}
}

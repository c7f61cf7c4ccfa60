package main

import (
	"net/http"
	"strings"
	"testing"
)

// TestDevice: it polls until the user has entered the code, more slowly when it is
// told to.
func TestDevice(t *testing.T) {
	r := newRig(t, nil)
	r.plugin.open = func(string) error { t.Error("a browser was opened"); return nil }
	r.people.SetDevice("authorization_pending", "slow_down")
	_, stderr := r.must(append(r.loginFlags(), "--device")...)
	if !strings.Contains(stderr, "enter the code ABCD-EFGH") || !strings.Contains(stderr, "/enter?code=ABCD-EFGH") {
		t.Errorf("wrote %q", stderr)
	}
	r.noSecret(stderr)
	if n := r.issuer.Requests("/token"); n != 3 {
		t.Errorf("%d polls, want 3", n)
	}
	r.credential()
}

func TestDeviceRefused(t *testing.T) {
	for _, code := range []string{"access_denied", "expired_token"} {
		r := newRig(t, nil)
		r.people.SetDevice(code)
		r.fails(append(r.loginFlags(), "--device"), "log in: the issuer says "+code)
		r.fails([]string{"token"}, "not logged in")
	}
}

// TestDeviceOfOddIssuers: what an issuer says is bounded.
func TestDeviceOfOddIssuers(t *testing.T) {
	for body, want := range map[string]string{
		`{"device_code":"d","user_code":"u","verification_uri":"https://x","expires_in":60,"interval":-1}`:         "not between",
		`{"device_code":"d","user_code":"u","verification_uri":"https://x","expires_in":60,"interval":9999999999}`: "not between",
		`{"device_code":"d","user_code":"u","verification_uri":"https://x","expires_in":1,"interval":60}`:          "the code has expired",
		`{"expires_in":60,"interval":1}`: "gave no code",
	} {
		r := newRig(t, nil)
		r.issuer.Handle("/device", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }))
		r.fails(append(r.loginFlags(), "--device"), want)
	}
	r := newRig(t, nil)
	r.issuer.SetMetadata("device_authorization_endpoint", nil)
	r.fails(append(r.loginFlags(), "--device"), "no device flow")
}

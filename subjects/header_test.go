package subjects

import (
	"maps"
	"net/http"
	"slices"
	"testing"
)

func TestClaimsIdentity(t *testing.T) {
	for name, want := range map[string]struct{ impersonates, claims bool }{
		"Impersonate-User": {true, true}, "Impersonate-Extra-A%2fb": {true, true}, "Impersonate-": {true, true},
		"Impersonate": {true, true}, "Impersonate_user": {true, true}, "impersonate-uid": {true, true},
		"X-Remote-User": {false, true}, "X-Remote-Extra-Scopes": {false, true}, "X_remote_user": {false, true},
		"x-remote-group": {false, true}, "X-Remote_group": {false, true},
		"Client-Cert": {false, true}, "Client-Cert-Chain": {false, true}, "X-Ssl-Client-S-Dn": {false, true}, "X_ssl_client_cert": {false, true},
		"Ssl-Client-Verify": {false, true}, "X-Forwarded-Client-Cert": {false, true}, "X-Amzn-Mtls-Clientcert-Leaf": {false, true},
		"Client": {}, "X-Ssl": {}, "X-Client-Version": {}, "X-Forwarded-For": {},
		"X-Remote": {}, "X-Remoteness": {}, "Imperson": {}, "X-Impersonate-User": {}, "Authorization": {}, "": {}, "Accept": {},
	} {
		if got := Impersonates(name); got != want.impersonates {
			t.Errorf("Impersonates(%q) = %v", name, got)
		}
		if got := ClaimsIdentity(name); got != want.claims {
			t.Errorf("ClaimsIdentity(%q) = %v", name, got)
		}
	}
}

func TestHasToken(t *testing.T) {
	lines := []string{"keep-alive, Upgrade", " ,X-A"}
	for token, want := range map[string]bool{"upgrade": true, "UPGRADE": true, "x-a": true, "keep": false, "alive": false} {
		if got := HasToken(lines, token); got != want {
			t.Errorf("HasToken(%q, %q) = %v", lines, token, got)
		}
	}
	if HasToken(nil, "upgrade") {
		t.Error("no lines have a token")
	}
}

func TestStripNamed(t *testing.T) {
	h := http.Header{"X-A": {"1"}, "X-B": {"2"}, "Te": {"3"}, "Connection": {"x-a , ,TE", "close, X-Absent"}}
	StripNamed(h, h["Connection"])
	if got := slices.Sorted(maps.Keys(h)); !slices.Equal(got, []string{"Connection", "X-B"}) {
		t.Errorf("left %q, want what Connection does not name", got)
	}
}

func TestStripBearerProtocol(t *testing.T) {
	const name = "Sec-Websocket-Protocol"
	for _, c := range []struct{ lines, want []string }{
		{[]string{"v5.channel.k8s.io"}, []string{"v5.channel.k8s.io"}},
		{[]string{"a,  b"}, []string{"a,  b"}}, // nothing to remove: left as it is
		{[]string{BearerProtocol + "eA, v4.k8s.io"}, []string{"v4.k8s.io"}},
		{[]string{"a, " + BearerProtocol + "eA,b,," + BearerProtocol, "c"}, []string{"a, b", "c"}},
		{[]string{BearerProtocol + "eA", "c"}, []string{"c"}},
		{[]string{BearerProtocol + "eA", " " + BearerProtocol}, nil},
		{[]string{"x" + BearerProtocol}, []string{"x" + BearerProtocol}},
	} {
		h := http.Header{name: slices.Clone(c.lines)}
		StripBearerProtocol(h)
		if _, ok := h[name]; !slices.Equal(h[name], c.want) || ok != (c.want != nil) {
			t.Errorf("%q became %q, want %q", c.lines, h[name], c.want)
		}
	}
	h := http.Header{}
	if StripBearerProtocol(h); len(h) != 0 {
		t.Errorf("a header without the field became %v", h)
	}
}

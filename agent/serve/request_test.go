package serve

import (
	"net/http"
	"testing"
)

// A bridge cannot make the API server see any identity but the agent's.
func TestNoIdentityByProtocolOrTrailer(t *testing.T) {
	for in, want := range map[string]string{
		"v5.channel.k8s.io": "v5.channel.k8s.io",
		"base64url.bearer.authorization.k8s.io.eA, v4.k8s.io": "v4.k8s.io",
		"a, base64url.bearer.authorization.k8s.io.eA,b":       "a, b",
		"base64url.bearer.authorization.k8s.io.eA":            "",
	} {
		h := http.Header{"Sec-Websocket-Protocol": {in}}
		cleanRequestHeader(h, "")
		if got := h.Get("Sec-Websocket-Protocol"); got != want || want == "" && len(h) > 0 {
			t.Errorf("protocols %q became %q (%v)", in, got, h)
		}
	}
	var b streamedBody
	b.announce([]string{"X-Sum, Impersonate-User", "authorization,x-remote-user, Transfer-Encoding"})
	if _, ok := b.trailer["X-Sum"]; !ok || len(b.trailer) != 1 {
		t.Errorf("announced %v", b.trailer)
	}
}

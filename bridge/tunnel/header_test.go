package tunnel

import (
	"net/http"
	"testing"
)

// A cluster speaks for itself, not for the host that the bridge is served at,
// nor to a reverse proxy before it.
func TestHeadersForTheHostDoNotPass(t *testing.T) {
	src, dst := http.Header{"Content-Type": {"text/plain"}, "X-Accelerated": {"1"}}, http.Header{}
	for _, k := range []string{
		"Set-Cookie", "Strict-Transport-Security", "Alt-Svc", "Clear-Site-Data", "Service-Worker-Allowed", "NEL",
		"Report-To", "Refresh", "WWW-Authenticate", "Speculation-Rules", "Use-As-Dictionary", "Accept-CH", "Set-Login", "Origin-Agent-Cluster",
		"Secure-Session-Registration", "X-Accel-Redirect", "x-accel-buffering", "X-Sendfile", "Gitlab-Workhorse-Send-Data",
	} {
		src.Set(k, "x")
	}
	copyResponse(dst, src, "/p")
	if len(dst) != 2 || dst.Get("Content-Type") == "" || dst.Get("X-Accelerated") == "" {
		t.Errorf("passed on: %v", dst)
	}
}

func TestPrefixed(t *testing.T) {
	for in, want := range map[string]string{"/": "/p/", "/x?y": "/p/x?y", "": "", "x": "x", "//h/x": "//h/x", "https://h/x": "https://h/x"} {
		if got := prefixed("/p", in); got != want {
			t.Errorf("prefixed(%q) = %q, want %q", in, got, want)
		}
	}
}

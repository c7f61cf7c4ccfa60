package bridge

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// TestCORS: pages of the listed origins may call the bridge, others may not,
// and no cluster decides about it.
func TestCORS(t *testing.T) {
	t.Parallel()
	const ui = "https://ui.example.com"
	r := newRig(t, rigOptions{config: func(c *Config) { c.CORSOrigins = []string{ui} }})
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		reply(s, 200, "hello", "Access-Control-Allow-Origin", "*", "Access-Control-Allow-Credentials", "true", "Vary", "Accept")
	})
	preflight := func(origin string) *http.Response {
		req := r.request("OPTIONS", "/k8s/clusters/prod/api/v1/pods", nil)
		req.Header = http.Header{"Origin": {origin}, "Access-Control-Request-Method": {"PATCH"},
			"Access-Control-Request-Headers": {"authorization,content-type"}}
		res, _ := r.do(r.h2, req)
		return res
	}
	res := preflight(ui)
	if h := res.Header; res.StatusCode != http.StatusNoContent || h.Get("Access-Control-Allow-Origin") != ui ||
		!strings.Contains(h.Get("Access-Control-Allow-Headers"), "authorization") || h.Get("Access-Control-Allow-Methods") != "PATCH" ||
		h.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("preflight: %d %v", res.StatusCode, h)
	}
	for _, other := range []string{"https://evil.example.com", "http://ui.example.com", "https://ui.example.com.evil", "null"} {
		if res := preflight(other); res.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("preflight of %q: %v", other, res.Header)
		}
	}
	for origin, want := range map[string]string{ui: ui, "https://evil.example.com": "", "": ""} {
		req := r.request("GET", "/k8s/clusters/prod/x", nil)
		if origin != "" {
			req.Header.Set("Origin", origin)
		}
		res, body := r.do(r.h2, req)
		vary := res.Header.Values("Vary")
		if body != "hello" || res.Header.Get("Access-Control-Allow-Origin") != want || res.Header.Get("Access-Control-Allow-Credentials") != "" ||
			!slices.Contains(vary, "Origin") || !slices.Contains(vary, "Accept") {
			t.Errorf("GET of %q: %v", origin, res.Header)
		}
	}
}

// TestCORSIsOff: by default a preflight is a request like every other.
func TestCORSIsOff(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	req := r.request("OPTIONS", "/k8s/clusters/prod/api", nil)
	req.Header = http.Header{"Origin": {"https://ui.example.com"}, "Access-Control-Request-Method": {"GET"}}
	res, body := r.do(r.h2, req)
	wantFailure(t, res, body, answer.Unauthenticated)
	if res.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("allowed: %v", res.Header)
	}
	for _, origin := range []string{"*", "ui.example.com", "https://ui.example.com/", "https://*.example.com/x", "null", ""} {
		_, err := New(Config{Tenants: r.pool, Authenticator: r.server.cfg.Authenticator, CORSOrigins: []string{origin}})
		if err == nil {
			t.Errorf("origin %q was accepted", origin)
		}
	}
}

package bridge

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestUIByCertificate: callers with a certificate need no login, and get none to end. A page
// that another site has opened asks again by itself.
func TestUIByCertificate(t *testing.T) {
	t.Parallel()
	x := newCertRig(t)
	for protocol, c := range x.with(x.ca.Client("alice", nil, nil)) {
		req := x.without("/ui/clusters/prod.acme")
		req.Header.Set("Sec-Fetch-Site", "none")
		if res, body := x.do(c, req); res.StatusCode != 200 || !strings.Contains(body, ">alice<") || strings.Contains(body, "<form method") || res.Proto != protocol {
			t.Errorf("%s: %s: %s", protocol, res.Status, body)
		}
		req.Header.Set("Sec-Fetch-Site", "cross-site")
		req.Header.Set("Sec-Fetch-Mode", "navigate")
		if res, body := x.do(c, req); res.StatusCode != 401 || !strings.Contains(body, `content="0; url=?again=1"`) {
			t.Errorf("%s: %s: %s", protocol, res.Status, body)
		}
		req.URL.RawQuery = "again=1"
		if res, body := x.do(c, req); res.StatusCode != 401 || strings.Contains(body, "http-equiv") || !strings.Contains(body, "a web page of another site") {
			t.Errorf("%s: %s: %s", protocol, res.Status, body)
		}
	}
}

// TestUIBehindProxies: below the path of the public URL and without it, by a token that a
// proxy adds, and by plain HTTP where a proxy or this machine is all that is in between.
func TestUIBehindProxies(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{plain: true, publicURL: "https://fairlead.example.com/base"})
	r.agent("default", "prod", hello)
	for _, path := range []string{"/ui", "/base/ui"} {
		if res, _ := r.do(r.h1, r.request("GET", path, nil)); res.StatusCode != 308 || res.Header.Get("Location") != "ui/" {
			t.Errorf("%s: %s, %v", path, res.Status, res.Header)
		}
		if res, body := r.do(r.h1, r.request("GET", path+"/", nil)); res.StatusCode != 200 || !strings.Contains(body, `href="clusters/prod"`) || strings.Contains(body, "Log out") {
			t.Errorf("%s: %s: %s", path, res.Status, body)
		}
	}
	for origin, want := range map[string]string{
		"https://fairlead.example.com":      "__Secure-fairlead-session-0",
		"http://" + r.addr:                  "fairlead-session-0",
		"http://localhost:8443":             "fairlead-session-0",
		"http://[::1]:8443":                 "fairlead-session-0",
		"":                                  "__Secure-fairlead-session-0",
		"http://fairlead.example.com":       "",
		"http://10.0.0.7":                   "",
		"http://localhost.evil.example":     "",
		"http://127.0.0.1.evil.example:443": "",
	} {
		req := r.request("POST", "/base/ui/login", strings.NewReader(url.Values{"token": {r.token}}.Encode()))
		req.Header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Sec-Fetch-Site": {"same-origin"}}
		if origin != "" {
			req.Header.Set("Origin", origin)
		}
		res, body := r.do(r.h1, req)
		got := ""
		for _, c := range res.Cookies() {
			got += c.Name
			if c.Secure != strings.HasPrefix(c.Name, "__Secure-") || !c.HttpOnly {
				t.Errorf("%q: %s", origin, c.Raw)
			}
		}
		if got != want || (want == "") != (res.StatusCode == 400) {
			t.Errorf("from %q: %s, cookies %q: %s", origin, res.Status, got, body)
		}
	}
}

// TestUIIsWhereABrowserArrives: a browser that opens the bridge's address comes to the page, below
// the path of the public URL too; a program is told what is served where.
func TestUIIsWhereABrowserArrives(t *testing.T) {
	r := newRig(t, rigOptions{plain: true, publicURL: "https://fairlead.example.com/base"})
	for path, accept := range map[string]string{"/": "text/html,application/xhtml+xml", "/base/": "text/html", "/base/?x=y": "text/html"} {
		req := r.request("GET", path, nil)
		req.Header.Set("Accept", accept)
		if res, _ := r.do(r.h1, req); res.StatusCode != 303 || res.Header.Get("Location") != "ui/" || res.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %s, %v", path, res.Status, res.Header)
		}
	}
	for _, accept := range []string{"", "*/*", "application/json"} {
		req := r.request("GET", "/", nil)
		req.Header.Set("Accept", accept)
		if res, body := r.do(r.h1, req); res.StatusCode != 404 || !strings.Contains(body, "the page for people is at /ui/") {
			t.Errorf("%q: %s: %s", accept, res.Status, body)
		}
	}
	off := newRig(t, rigOptions{config: func(c *Config) { c.DisableUI = true }})
	req := off.request("GET", "/", nil)
	req.Header.Set("Accept", "text/html")
	if res, body := off.do(off.h1, req); res.StatusCode != 404 {
		t.Errorf("without the page: %s: %s", res.Status, body)
	}
}

// TestUIHeaders: every page, whatever its status, runs nothing but its own script, and is kept
// nowhere.
func TestUIHeaders(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	r.agent("default", "prod", hello)
	nonces := map[string]bool{}
	for path, status := range map[string]int{
		"/ui/": 200, "/ui/clusters/prod": 200, "/ui/clusters/none": 200, "/ui/clusters/x.y.z": 404, "/ui/none": 404, "/ui/a/b/c": 404, "/ui//": 404,
		"/ui/%2e%2e/v1/clusters": 404, "/ui/?labels=a+b": 400, "/ui/events?nonsense=1": 400, "/ui/style.css": 200, "/ui/app.js": 200, "/ui/app.js/": 404,
	} {
		res, body := r.do(r.h2, r.request("GET", path, nil))
		h := res.Header
		if res.StatusCode != status || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %s, %v: %s", path, res.Status, h, body)
		}
		head, empty := r.do(r.h1, r.request("HEAD", path, nil))
		if head.StatusCode != status || empty != "" || head.Header.Get("Content-Type") != h.Get("Content-Type") {
			t.Errorf("HEAD %s: %s, %q", path, head.Status, empty)
		}
		policy := h.Get("Content-Security-Policy")
		switch {
		case strings.HasPrefix(h.Get("Content-Type"), "text/html"):
			_, rest, _ := strings.Cut(policy, "script-src 'nonce-")
			nonce, _, _ := strings.Cut(rest, "'")
			if len(nonce) < 20 || nonces[nonce] || !strings.Contains(body, `nonce="`+nonce+`"`) || h.Get("Cache-Control") != "no-store" || h.Get("X-Frame-Options") != "DENY" ||
				!strings.Contains(policy, "default-src 'none'; ") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") {
				t.Errorf("%s: %v", path, h)
			}
			nonces[nonce] = true
		case status == 200 && policy != "default-src 'none'; frame-ancestors 'none'":
			t.Errorf("%s: %v", path, h)
		}
	}
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"POST", "/ui/", 405}, {"DELETE", "/ui/clusters/prod", 405}, {"PUT", "/ui/login", 405}, {"GET", "/ui/login", 303}, {"GET", "/ui/logout", 303},
		{"POST", "/ui/events", 405}, {"POST", "/ui/app.js", 405}, {"OPTIONS", "/ui/", 405}, {"POST", "/ui/login", 400},
	} {
		if res, body := r.do(r.h1, r.request(c.method, c.path, nil)); res.StatusCode != c.status || res.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s %s: %s: %s", c.method, c.path, res.Status, body)
		}
	}
}

// TestUIOff: without it there is nothing; and a cluster's own host has its own /ui/.
func TestUIOff(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{config: func(c *Config) { c.DisableUI = true }})
	for _, path := range []string{"/ui", "/ui/", "/ui/app.js", "/ui/events"} {
		if res, body := r.do(r.h1, r.request("GET", path, nil)); res.StatusCode != 404 || !strings.Contains(body, "urn:fairlead:error:not-found") {
			t.Errorf("%s: %s: %s", path, res.Status, body)
		}
	}
	hosted := newRig(t, rigOptions{config: withDomain})
	hosted.agent("default", "prod", hello)
	req := hosted.request("GET", "/ui/", nil)
	req.Host = "prod.k8s.example.com"
	if res, body := hosted.do(hosted.h1, req); res.StatusCode != 200 || body != "hello" {
		t.Errorf("at the cluster's host: %s: %s", res.Status, body)
	}
}

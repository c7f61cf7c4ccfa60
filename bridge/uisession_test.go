package bridge

import (
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// TestUISession: what a session's cookies are, that they go nowhere else, and that the
// session ends with a log-out and with the token.
func TestUISession(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	cookies := make(chan string, 10)
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		cookies <- head.Header.Get("Cookie")
		hello(head, s)
	})
	b := r.person(t, r.h2)
	once := *b.client
	once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	b.client = &once
	res, _ := b.send("POST", "/ui/login", url.Values{"token": {" Bearer " + r.token + "\n"}, "cluster": {"prod"}})
	if res.StatusCode != 303 || res.Header.Get("Location") != "clusters/prod" || len(res.Cookies()) != 1 {
		t.Fatalf("%s, %v", res.Status, res.Header)
	}
	c := res.Cookies()[0]
	if !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteStrictMode || c.Path != "" || c.Domain != "" || c.Name != "__Secure-fairlead-session-0" {
		t.Errorf("%s", c.Raw)
	}
	at, err := url.Parse(r.url + "/k8s/clusters/prod/api")
	if err != nil {
		t.Fatal(err)
	}
	if sent := b.client.Jar.Cookies(at); len(sent) > 0 {
		t.Errorf("a cluster would get %v", sent)
	}
	// A client that sends the cookie there all the same has no session, and the cluster
	// does not get it.
	req := r.request("GET", "/k8s/clusters/prod/api", nil)
	req.Header.Set("Cookie", c.Name+"="+c.Value)
	if res, _ := r.do(r.h1, req); res.StatusCode != 200 || <-cookies != "" {
		t.Errorf("%s", res.Status)
	}
	for _, path := range []string{"/k8s/clusters/prod/api", "/v1/clusters", "/v1/events", "/uix/"} {
		req := r.request("GET", path, nil)
		req.Header = http.Header{"Cookie": {c.Name + "=" + c.Value}}
		if res, body := r.do(r.h1, req); res.StatusCode != 401 && res.StatusCode != 404 {
			t.Errorf("%s: %s: %s", path, res.Status, body)
		}
	}
	if res, _ := b.send("POST", "/ui/logout", url.Values{}); res.StatusCode != 303 {
		t.Errorf("%s", res.Status)
	}
	if res, _ := b.open("/ui/"); res.StatusCode != 401 {
		t.Errorf("after the log-out: %s", res.Status)
	}
	b.send("POST", "/ui/login", url.Values{"token": {r.token}})
	if res, _ := b.open("/ui/clusters/prod"); res.StatusCode != 200 {
		t.Errorf("%s", res.Status)
	}
	if err := os.WriteFile(r.tokensFile, []byte("tokens: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.eventually("the session ends with the token", func() bool {
		res, body := b.open("/ui/clusters/prod")
		return res.StatusCode == 401 && strings.Contains(body, `role="alert"`) && len(res.Cookies()) > 0
	})
	if left := b.client.Jar.Cookies(res.Request.URL); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestUIRefusesOtherSites: what another site's page makes a browser send begins and ends
// nothing.
func TestUIRefusesOtherSites(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{publicURL: "https://fairlead.example.com/base"})
	for _, c := range []struct {
		site, origin string
		ok           bool
	}{
		{"same-origin", r.url, true},
		{"none", "", true},
		{"", "", true}, // not a browser
		{"", r.url, true},
		{"", "https://fairlead.example.com", true}, // a proxy has changed the host
		{"cross-site", r.url, false},
		{"same-site", r.url, false},
		{"cross-site", "https://evil.example", false},
		{"", "https://evil.example", false},
		{"", "null", false},
		{"", "https://fairlead.example.com.evil.example", false},
	} {
		for _, path := range []string{"/ui/login", "/ui/logout", "/base/ui/login"} {
			req := r.request("POST", path, strings.NewReader(url.Values{"token": {r.token}}.Encode()))
			req.Header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
			if c.site != "" {
				req.Header.Set("Sec-Fetch-Site", c.site)
			}
			if c.origin != "" {
				req.Header.Set("Origin", c.origin)
			}
			res, body := r.do(r.h2, req)
			if (res.StatusCode == 303) != c.ok || !c.ok && (res.StatusCode != 403 || len(res.Cookies()) > 0) {
				t.Errorf("%s from %q, %q: %s: %s", path, c.site, c.origin, res.Status, body)
			}
		}
	}
	req := r.request("GET", "/ui/events", nil)
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	if res, _ := r.do(r.h1, req); res.StatusCode != 403 {
		t.Errorf("events: %s", res.Status)
	}
}

// TestUILoginRefuses: what is not a token of somebody begins no session, and is not shown.
func TestUILoginRefuses(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	b := r.person(t, r.h1)
	for _, c := range []struct {
		token  string
		status int
	}{
		{"", 400}, {"two words", 400}, {`"><script>alert(1)</script>`, 400}, {"ä", 400}, {strings.Repeat("x", 17<<10), 400},
		{strings.Repeat("x", 100<<10), 400}, {"frl_wrong", 401}, {r.token[:len(r.token)-1], 401}, {"Bearer", 401},
	} {
		res, body := b.send("POST", "/ui/login", url.Values{"token": {c.token}})
		if res.StatusCode != c.status || len(res.Cookies()) > 0 || !strings.Contains(body, `role="alert"`) || c.token != "" && strings.Contains(body, `value="`+c.token) {
			t.Errorf("%.40q: %s, %v: %s", c.token, res.Status, res.Cookies(), body)
		}
	}
	// In a URL, it is nothing.
	if res, _ := b.send("POST", "/ui/login?token="+r.token, url.Values{}); res.StatusCode != 400 {
		t.Errorf("in the URL: %s", res.Status)
	}
	if res, _ := b.send("POST", "/ui/login", url.Values{"token": {r.token}, "cluster": {"//evil.example/"}}); res.StatusCode != 200 || res.Request.URL.Path != "/ui/" {
		t.Errorf("%s at %s", res.Status, res.Request.URL)
	}
	if log := r.log.String(); strings.Contains(log, r.token) || strings.Contains(log, "frl_wrong") {
		t.Error("the log has a token")
	}
}

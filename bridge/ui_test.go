package bridge

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
)

// person is a client as a browser is one: it keeps cookies, follows redirects, and says
// where its requests come from.
type person struct {
	*rig
	t      *testing.T
	client *http.Client
	header http.Header
}

func (r *rig) person(t *testing.T, c *http.Client) *person {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := *c
	client.Jar, client.CheckRedirect = jar, nil
	return &person{r, t, &client, http.Header{"Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Mode": {"navigate"}}}
}

// send sends a request, with a form if there is one, and reads the page.
func (b *person) send(method, path string, form url.Values) (*http.Response, string) {
	b.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req := b.request(method, path, body)
	req.Header = b.header.Clone()
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", b.url)
	}
	return b.do(b.client, req)
}

// open opens a page.
func (b *person) open(path string) (*http.Response, string) {
	b.t.Helper()
	return b.send("GET", path, nil)
}

// login logs in.
func (b *person) login(token string) {
	b.t.Helper()
	res, body := b.send("POST", "/ui/login", url.Values{"token": {token}})
	if res.StatusCode != 200 || res.Request.URL.Path != "/ui/" {
		b.t.Fatalf("%s at %s: %s", res.Status, res.Request.URL, body)
	}
}

// TestUIListsTheCallersClusters: who has logged in sees its clusters, and no others; who has
// not sees the form, at every page.
func TestUIListsTheCallersClusters(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	r.agent("default", "prod", hello)
	r.agent("acme", "edge", hello)
	r.both(t, func(t *testing.T, c *http.Client) {
		b := r.person(t, c)
		for _, path := range []string{"/ui", "/ui/", "/ui/?q=x", "/ui/clusters/prod", "/ui/clusters/none"} {
			res, body := b.open(path)
			if res.StatusCode != 401 || !strings.Contains(body, `name="token"`) || strings.Contains(body, "edge") {
				t.Errorf("%s: %s: %s", path, res.Status, body)
			}
		}
		b.login(r.acme)
		res, body := b.open("/ui/")
		if res.StatusCode != 200 || !strings.Contains(body, `href="clusters/edge.acme"`) || strings.Contains(body, ">prod<") || !strings.Contains(body, "acme-ci") {
			t.Errorf("%s: %s", res.Status, body)
		}
		if res, body = b.open("/ui/clusters/edge.acme"); res.StatusCode != 200 || !strings.Contains(body, "v1.34.4") || !strings.Contains(body, "refused") {
			t.Errorf("%s: %s", res.Status, body)
		}
		texts := map[string]bool{}
		for _, path := range []string{"/ui/clusters/prod", "/ui/clusters/none", "/ui/clusters/none.acme.x", "/ui/clusters/%00", "/ui/clusters/..", "/ui/clusters/prod.none"} {
			res, body := b.open(path)
			if res.StatusCode != 404 {
				t.Errorf("%s: %s: %s", path, res.Status, body)
			}
			if _, shown, ok := strings.Cut(body, "<main"); ok {
				texts[shown] = true
			}
		}
		if len(texts) != 1 {
			t.Errorf("what may not be seen looks like %d things: %v", len(texts), texts)
		}
	})
}

package upstream

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func TestReferencesToTheServerItself(t *testing.T) {
	for _, tt := range []struct {
		base  string
		cases map[string]string // "" for what is left as it is
	}{
		{"https://10.0.0.1:443", map[string]string{
			"https://10.0.0.1:443/api/v1/?a=%2F#x": "/api/v1/?a=%2F#x",
			"https://10.0.0.1/a%2Fb":               "/a%2Fb",
			"HTTPS://10.0.0.1":                     "/",
			"https://10.0.0.1?x=https://evil.net":  "/?x=https://evil.net",
			"https://10.0.0.1#f":                   "/#f",
			"//10.0.0.1/api":                       "/api",
			"/api/v1/":                             "",
			"pods?continue=x":                      "",
			"http://10.0.0.1:443/api":              "",
			"https://10.0.0.1:6443/api":            "",
			"https://10.0.0.2/api":                 "",
			"https://10.0.0.1.evil.net/api":        "",
			"https://10.0.0.1@evil.net/api":        "",
			"https://evil.net@10.0.0.1/api":        "",
			"https://10.0.0.1//evil.net/api":       "",
			`https://10.0.0.1/\\evil.net/api`:      "",
			`https://10.0.0.1\@evil.net/api`:       "",
			"https:///10.0.0.1/api":                "",
			"https:10.0.0.1/api":                   "",
			"https://10.0.0.1:x/api":               "",
			"mailto:x":                             "",
			"":                                     "",
		}},
		{"https://Kube.example:6443/k8s/c-1", map[string]string{
			"https://kube.EXAMPLE:6443/k8s/c-1/api?x":        "/api?x",
			"https://kube.example:6443/k8s/c-1":              "/",
			"https://kube.example:6443/k8s/c-1#f":            "/#f",
			"/k8s/c-1/api":                                   "/api",
			"pods":                                           "",
			"/api":                                           "",
			"https://kube.example:6443/k8s/c-2/api":          "",
			"https://kube.example:6443/k8s/c-10":             "",
			"https://kube.example:6443/k8s/c-1/../c-2/api":   "",
			"https://kube.example:6443/k8s/c-1/%2e%2E/c-2/a": "",
			"https://kube.example:6443/k8s/c-1//evil.net":    "",
			"/k8s/c-1//evil.net":                             "",
			"https://kube.example/k8s/c-1/api":               "",
		}},
		{"http://[::1]:8001", map[string]string{
			"http://[::1]:8001/api": "/api",
			"http://[::2]:8001/api": "",
		}},
	} {
		base, err := url.Parse(tt.base)
		if err != nil {
			t.Fatal(err)
		}
		u := &Client{base: *base}
		for in, want := range tt.cases {
			if want == "" {
				want = in
			}
			if got := u.relative(in); got != want {
				t.Errorf("at %s: %q became %q, want %q", tt.base, in, got, want)
			}
		}
	}
}

// FuzzRelative: whatever an answer says, what is made of it leads a client to
// the API server, or is as the answer says.
func FuzzRelative(f *testing.F) {
	for _, v := range []string{"https://h/p/x", "//h/p//x", "https://h/p/%2e%2e/x", "https://h\\x", "/p/a?b#c", "https://h:443/p"} {
		f.Add(v)
	}
	at := httptest.NewRequest("GET", "https://h/p/z", nil).URL
	u := &Client{base: url.URL{Scheme: "https", Host: "h", Path: "/p"}}
	f.Fuzz(func(t *testing.T, v string) {
		got := u.relative(v)
		if got == v {
			return
		}
		before, err := at.Parse(v)
		if err != nil {
			t.Fatalf("%q became %q but is not a reference", v, got)
		}
		after, err := at.Parse(got)
		if err != nil || !strings.HasPrefix(got, "/") || after.Host != "h" {
			t.Fatalf("%q became %q", v, got)
		}
		want := strings.TrimPrefix(before.EscapedPath(), "/p")
		if want == "" {
			want = "/"
		}
		if after.EscapedPath() != want || after.RawQuery != before.RawQuery || after.Fragment != before.Fragment {
			t.Fatalf("%q means %s, %q means %s", v, before, got, after)
		}
	})
}

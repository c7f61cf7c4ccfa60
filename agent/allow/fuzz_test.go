package allow

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-io/fairlead/subjects"
)

// FuzzJudge: whatever target and method are, a request that a list of one namespace
// allows names that namespace in its cleaned path, reads, and is not an exec.
func FuzzJudge(f *testing.F) {
	for _, target := range []string{
		"/api/v1/namespaces/shop/pods", "/api/v1/namespaces/shop/pods/a/exec?command=x", "/api/v1/namespaces/shop/../kube-system/secrets",
		"/api/v1/namespaces/shop%2f..%2fkube-system/secrets", "//api/v1/namespaces/shop/pods", "/api/v1/watch/namespaces/shop/pods",
		"/api/v1/proxy/namespaces/shop/pods/a", "/apis/apps/v1/namespaces/shop/deployments?watch", "/API/v1/secrets", "/api/v1/namespaces/shop/;/secrets",
	} {
		for _, method := range []string{"GET", "POST", "get", "PATCH"} {
			f.Add(method, target, true)
			f.Add(method, target, false)
		}
	}
	l := mustParse(f, "{readOnly: true, exec: false, secrets: false, requests: [{verbs: ['*'], resources: ['*'], namespaces: [shop]}]}")
	f.Fuzz(func(t *testing.T, method, target string, upgrade bool) {
		if l.judged(&Request{Method: method, Target: target, Upgrade: upgrade}) != nil {
			return
		}
		u, err := url.ParseRequestURI(target)
		if err != nil {
			t.Fatalf("%q is allowed and cannot be parsed", target)
		}
		if method != "GET" && method != "HEAD" {
			t.Fatalf("%s %q is allowed", method, target)
		}
		// What any server may make of it: decoded twice, cleaned.
		clean := (&url.URL{Path: u.Path}).JoinPath().Path
		segments := strings.Split(strings.Trim(clean, "/"), "/")
		if again := strings.Trim(u.Path, "/"); again != strings.Trim(clean, "/") {
			t.Fatalf("%q is allowed, and %q when cleaned", again, clean)
		}
		at := 2 // after /api/v1
		if segments[0] == "apis" {
			at = 3
		}
		if segments[at] == "watch" {
			at++
		}
		if segments[at] != "namespaces" || segments[at+1] != "shop" {
			t.Fatalf("%q is allowed", target)
		}
		for _, never := range []string{"secrets", "exec", "attach", "portforward", "proxy", "ephemeralcontainers"} {
			if len(segments) > at+2 && segments[at+2] == "secrets" || len(segments) > at+4 && segments[at+4] == never && never != "secrets" {
				t.Fatalf("%q is allowed", target)
			}
		}
	})
}

// FuzzParse: no file makes the parser fail in another way than by an error, and no
// list without as lets a request through as a user.
func FuzzParse(f *testing.F) {
	f.Add("readOnly: true")
	f.Add("as: {users: ['*'], extra: {a: [b]}}\nrequests: [{verbs: [get], resources: ['*/scale']}]")
	f.Add("requests: &a [{verbs: [get], paths: [/x]}]\nas: {users: *a}")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := Parse([]byte(text), ownNamespace)
		if err != nil {
			return
		}
		for _, as := range []*subjects.Identity{{User: "system:kube-controller-manager"}, {User: "x", Groups: []string{"system:masters"}}} {
			if l.judged(request(get, as)) == nil && !strings.Contains(text, "system:") {
				t.Fatalf("%q lets %+v through", text, as)
			}
		}
	})
}

// list50 has 50 rules, of which none but the last allows what the benchmark asks.
func list50() string {
	var b strings.Builder
	b.WriteString("secrets: false\nas: {users: ['gitlab:*'], groups: ['gitlab:*']}\nrequests:\n")
	for i := range 49 {
		fmt.Fprintf(&b, "- {verbs: [get, list, watch], apiGroups: ['', apps], resources: [pods, pods/log, deployments], namespaces: [team-%d]}\n", i)
	}
	b.WriteString("- {verbs: [get], resources: [pods], namespaces: [shop]}\n")
	return b.String()
}

func BenchmarkJudge(b *testing.B) {
	l := mustParse(b, list50())
	r := request("GET /api/v1/namespaces/shop/pods/web-0", &subjects.Identity{User: "gitlab:acme/shop", Groups: []string{"gitlab:acme"}})
	b.ReportAllocs()
	for b.Loop() {
		if refusal := l.judged(r); refusal != nil {
			b.Fatal(refusal)
		}
	}
}

func BenchmarkAdmit(b *testing.B) {
	r := request("GET /api/v1/namespaces/shop/pods/web-0", &subjects.Identity{User: "gitlab:acme/shop", Groups: []string{"gitlab:acme"}})
	with := &Guard{running: map[*admission]struct{}{}}
	with.register(prometheus.NewRegistry())
	with.list.Store(mustParse(b, list50()))
	for name, g := range map[string]*Guard{"list": with, "none": nil} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, done, err := g.Admit(b.Context(), r)
				if err != nil {
					b.Fatal(err)
				}
				done()
			}
		})
	}
}

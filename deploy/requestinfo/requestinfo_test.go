package requestinfo

import (
	"fmt"
	"net/url"
	"testing"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		method, target string
		want           Info
	}{
		{"GET", "/api/v1/namespaces/shop/pods/web-0", Info{Verb: "get", IsResource: true, APIVersion: "v1", Namespace: "shop", Resource: "pods", Name: "web-0"}},
		{"GET", "/api/v1/namespaces/shop/pods?watch=1&fieldSelector=metadata.name%3Dweb-0", Info{Verb: "watch", IsResource: true, APIVersion: "v1", Namespace: "shop", Resource: "pods", Name: "web-0", FieldSelector: "metadata.name=web-0"}},
		{"POST", "/api/v1/namespaces/shop/pods/web-0/exec?command=sh", Info{Verb: "create", IsResource: true, APIVersion: "v1", Namespace: "shop", Resource: "pods", Subresource: "exec", Name: "web-0"}},
		{"DELETE", "/apis/apps/v1/namespaces/shop/deployments", Info{Verb: "deletecollection", IsResource: true, APIGroup: "apps", APIVersion: "v1", Namespace: "shop", Resource: "deployments"}},
		{"GET", "/api/v1/namespaces/shop", Info{Verb: "get", IsResource: true, APIVersion: "v1", Namespace: "shop", Resource: "namespaces", Name: "shop"}},
		{"GET", "/api/v1/namespaces/shop/services/web/proxy/a//b/c", Info{Verb: "get", IsResource: true, APIVersion: "v1", Namespace: "shop", Resource: "services", Subresource: "proxy", Name: "web"}},
		{"GET", "/version?timeout=32s", Info{Verb: "get"}},
		{"HEAD", "/apis", Info{Verb: "head"}},
	} {
		got, err := Parse(tt.method, tt.target)
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(tt.target)
		if err != nil {
			t.Fatal(err)
		}
		tt.want.Path = u.Path
		if *got != tt.want {
			t.Errorf("%s %s\n got %+v\nwant %+v", tt.method, tt.target, *got, tt.want)
		}
	}
}

// Paths that a proxy or server may clean, decode or split in another way.
func TestAmbiguousPaths(t *testing.T) {
	for target, want := range map[string]bool{
		"/api/v1/namespaces/shop/pods":                       false,
		"/api/v1/namespaces/shop/pods/":                      false,
		"/api/v1/namespaces/sh%6Fp/pods":                     false, // one segment, however it is written
		"/api/v1/namespaces/shop%2Fpods":                     true,
		"/api/v1/namespaces/shop/pods%2fa/exec":              true,
		"/api/v1//namespaces/shop/pods":                      true,
		"//api/v1/namespaces/shop/pods":                      true,
		"/api/v1/namespaces/shop/../kube-system/secrets":     true,
		"/api/v1/namespaces/shop/%2e%2e/kube-system/secrets": true,
		"/api/v1/namespaces/./shop/pods":                     true,
		"/api/v1/namespaces/shop/pods;x=y":                   true,
		"/api/v1/namespaces/shop/pods/a%5Cb":                 true,
		"/api/v1/namespaces/shop/pods/a%00":                  true,
		"/api/v1/namespaces/shop/pods/a%0d%0a":               true,
		"/api/v1/namespaces/shop/pods/%252e%252e":            true,
		"/api/v1/namespaces/shop/pods/a%3Fwatch":             true,
		"/api/v1/namespaces/shop/pods/a%23b":                 true,
		"/api/v1/namespaces/shop/services/web/proxy/a//b":    false,
		"/api/v1/namespaces/shop/services/web/proxy/a%2Fb":   false,
		"/api/v1/namespaces/shop/services/web/proxy/../../x": true,
		"/api/v1/namespaces/shop//services/web/proxy/a":      true,
		"/api/v1/namespaces/shop%2Fservices%2Fweb%2Fproxy/a": true,
		"/api/v1/namespaces/shop/services/web%2Fproxy/a":     true,
		"/api/v1/nodes/n/proxy/a//b%2Fc":                     false,
		"/apis/x.io/v1/namespaces/proxy/things/a/proxy/b//":  false,
		"/api/v1/namespaces/a%2Fb/services/web/proxy/a":      true,
	} {
		info, err := Parse("GET", target)
		if err != nil {
			t.Fatal(err)
		}
		if info.Ambiguous != want {
			t.Errorf("%s: ambiguous %v, want %v (%+v)", target, info.Ambiguous, want, *info)
		}
	}
	for _, bad := range []string{"", "x", "*", "http://host/api", "/%zz"} {
		if info, err := Parse("GET", bad); err == nil {
			t.Errorf("%q parsed as %+v", bad, info)
		}
	}
}

// No target makes the parser fail in another way than by an error, and what is not
// ambiguous means the same with its path cleaned of escapes.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"/api/v1/namespaces/a/pods/b/exec?command=x", "/apis/apps/v1/deployments?watch=true", "/%2e%2e/x", "/api//v1"} {
		f.Add("GET", s)
	}
	f.Fuzz(func(t *testing.T, method, target string) {
		info, err := Parse(method, target)
		if err != nil || info.Ambiguous || info.proxied() {
			return
		}
		again, err := Parse(method, (&url.URL{Path: info.Path}).RequestURI())
		if err != nil {
			t.Fatalf("%q: path %q cannot be parsed: %v", target, info.Path, err)
		}
		if again.Namespace != info.Namespace || again.Resource != info.Resource || again.Subresource != info.Subresource || again.APIGroup != info.APIGroup {
			t.Fatalf("%q is %+v, its decoded path %+v", target, *info, *again)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for _, target := range []string{"/api/v1/namespaces/shop/pods/web-0", "/apis/apps/v1/namespaces/shop/deployments?limit=500&labelSelector=app%3Dweb", "/version"} {
		b.Run("kept "+target, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse("GET", target); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("new "+target, func(b *testing.B) {
			var many [2 * memoSize]string
			for i := range many {
				many[i] = fmt.Sprint(target, i)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := Parse("GET", many[i%len(many)]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

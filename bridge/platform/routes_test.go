package platform

import (
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/answer"
)

// TestMatch: which paths are a route's, and what is named in them.
func TestMatch(t *testing.T) {
	const long = "/v1/clusters/{cluster}/namespaces/{namespace}/pull-secrets/{name}"
	for _, c := range []struct {
		pattern, path string
		want          place
		ok            bool
	}{
		{"/livez", "/livez", place{}, true},
		{"/livez", "/livez/", place{}, false},
		{"/v1/clusters/{cluster}", "/v1/clusters/prod.acme", place{cluster: "prod.acme"}, true},
		{"/v1/clusters/{cluster}", "/v1/clusters/%70rod", place{cluster: "%70rod"}, true},
		{"/v1/clusters/{cluster}", "/v1/clusters/", place{}, false},
		{"/v1/clusters/{cluster}", "/v1/clusters", place{}, false},
		{"/v1/clusters/{cluster}", "/v1/clusters/prod/", place{}, false},
		{"/v1/clusters/{cluster}", "/v1/clusters/prod/kubeconfig", place{}, false},
		{"/v1/access-requests/{id}/end", "/v1/access-requests/7/end", place{id: "7"}, true},
		{"/v1/access-requests/{id}/end", "/v1/access-requests//end", place{}, false},
		{long, "/v1/clusters/prod/namespaces/default/pull-secrets/registry.one", place{cluster: "prod", namespace: "default", name: "registry.one"}, true},
		{long, "/v1/clusters/prod/namespaces/default/pull-secrets/a/b", place{}, false},
		{long, "/v1/clusters/prod/namespaces/default/secrets/a", place{}, false},
		{"/v1/clusters/{cluster}", "v1/clusters/prod", place{}, false},
	} {
		rt := route{path: c.pattern}
		if got, ok := rt.match(c.path); ok != c.ok || got != c.want && ok {
			t.Errorf("%s, %s: %+v, %v", c.pattern, c.path, got, ok)
		}
	}
}

// TestNamesOfObjectsAreChecked: nothing that would leave its segment of the API server's
// path gets into it.
func TestNamesOfObjectsAreChecked(t *testing.T) {
	at, f := place{cluster: "%70rod", namespace: "d%65fault", name: "registry.one", id: "%2f"}.checked()
	if want := (place{cluster: "%70rod", namespace: "default", name: "registry.one", id: "%2f"}); f != nil || at != want {
		t.Errorf("got %+v, %v", at, f)
	}
	for _, bad := range []string{"..", ".", "a%2fb", "%2e%2e", "a%00", "A", "a%", "a%zz", "-a", "a b", "a?b", "ä", strings.Repeat("a", 254)} {
		for _, at := range []place{{namespace: bad}, {name: bad}} {
			if got, f := at.checked(); f == nil || f.Kind != answer.BadRequest || got != (place{}) {
				t.Errorf("%+v is taken as %+v, %v", at, got, f)
			}
		}
	}
	if _, f := (place{namespace: "a.b"}).checked(); f == nil {
		t.Error("a namespace with a dot is taken")
	}
}

// TestSegmentsAreKnown: each segment in braces of the table has a place.
func TestSegmentsAreKnown(t *testing.T) {
	for _, rt := range routes {
		if at, ok := rt.match(rt.path); !ok || strings.Contains(rt.path, "{") == (at == place{}) {
			t.Errorf("%s: %+v, %v", rt.path, at, ok)
		}
	}
}

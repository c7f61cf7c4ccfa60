package endpoint

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
		want          Place
		ok            bool
	}{
		{"/livez", "/livez", Place{}, true},
		{"/livez", "/livez/", Place{}, false},
		{"/v1/clusters/{cluster}", "/v1/clusters/prod.acme", Place{Cluster: "prod.acme"}, true},
		{"/v1/clusters/{cluster}", "/v1/clusters/%70rod", Place{Cluster: "%70rod"}, true},
		{"/v1/clusters/{cluster}", "/v1/clusters/", Place{}, false},
		{"/v1/clusters/{cluster}", "/v1/clusters", Place{}, false},
		{"/v1/clusters/{cluster}", "/v1/clusters/prod/", Place{}, false},
		{"/v1/clusters/{cluster}", "/v1/clusters/prod/kubeconfig", Place{}, false},
		{"/v1/access-requests/{id}/end", "/v1/access-requests/7/end", Place{ID: "7"}, true},
		{"/v1/access-requests/{id}/end", "/v1/access-requests//end", Place{}, false},
		{long, "/v1/clusters/prod/namespaces/default/pull-secrets/registry.one", Place{Cluster: "prod", Namespace: "default", Name: "registry.one"}, true},
		{long, "/v1/clusters/prod/namespaces/default/pull-secrets/a/b", Place{}, false},
		{long, "/v1/clusters/prod/namespaces/default/secrets/a", Place{}, false},
		{"/v1/clusters/{cluster}", "v1/clusters/prod", Place{}, false},
	} {
		rt := Route{Path: c.pattern}
		if got, ok := rt.Match(c.path); ok != c.ok || got != c.want && ok {
			t.Errorf("%s, %s: %+v, %v", c.pattern, c.path, got, ok)
		}
	}
}

// TestNamesOfObjectsAreChecked: nothing that would leave its segment of the API server's
// path gets into it.
func TestNamesOfObjectsAreChecked(t *testing.T) {
	at, f := Place{Cluster: "%70rod", Namespace: "d%65fault", Name: "registry.one", ID: "%2f"}.Checked()
	if want := (Place{Cluster: "%70rod", Namespace: "default", Name: "registry.one", ID: "%2f"}); f != nil || at != want {
		t.Errorf("got %+v, %v", at, f)
	}
	for _, bad := range []string{"..", ".", "a%2fb", "%2e%2e", "a%00", "A", "a%", "a%zz", "-a", "a b", "a?b", "ä", strings.Repeat("a", 254)} {
		for _, at := range []Place{{Namespace: bad}, {Name: bad}} {
			if got, f := at.Checked(); f == nil || f.Kind != answer.BadRequest || got != (Place{}) {
				t.Errorf("%+v is taken as %+v, %v", at, got, f)
			}
		}
	}
	if _, f := (Place{Namespace: "a.b"}).Checked(); f == nil {
		t.Error("a namespace with a dot is taken")
	}
}

package bridge

import (
	"strings"
	"testing"
)

// TestApplyNamesNamespace: a result has the namespace that an object without one gets, also of
// one that fails.
func TestApplyNamesNamespace(t *testing.T) {
	t.Parallel()
	r, _ := applyRig(t, rigOptions{})
	_, _, results := r.applies("namespace=team", `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"}}
{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"d"},"fail":true}
{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"team"}}`)
	if len(results) != 3 {
		t.Fatalf("%v", text(results))
	}
	for _, res := range results {
		want := "team"
		if res.Object.Kind == "Namespace" {
			want = ""
		}
		if res.Object.Namespace != want {
			t.Errorf("%s", text(res))
		}
	}
}

// TestApplyOfCurl: curl -d removes the ends of lines, which is said.
func TestApplyOfCurl(t *testing.T) {
	t.Parallel()
	r, _ := applyRig(t, rigOptions{})
	for body, said := range map[string]bool{"apiVersion: v1kind: ConfigMap": true, "apiVersion: v1\nkind: a: b": false} {
		req := r.request("POST", "/v1/clusters/prod/apply", strings.NewReader(body))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if res, text := r.do(r.h2, req); res.StatusCode != 400 || strings.Contains(text, "--data-binary") != said {
			t.Errorf("%q: %d %s", body, res.StatusCode, text)
		}
	}
}

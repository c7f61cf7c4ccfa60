package inventory

import (
	"net/url"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/subjects"
)

func TestReadQuery(t *testing.T) {
	ref := subjects.ClusterRef{Tenant: "acme", Cluster: "prod"}
	sel, p, f := readQuery(url.Values{
		"tenant": {"acme"}, "labelSelector": {"env in (prod,dev),!old"}, "state": {"online"}, "limit": {"7"}, "continue": {continueAfter(ref)},
	}.Encode())
	if f != nil || sel.Tenant != "acme" || sel.State != directory.Connected || p.limit != 7 || p.after != ref {
		t.Errorf("%+v, %+v, %v", sel, p, f)
	}
	if !sel.labels(map[string]string{"env": "dev"}) || sel.labels(map[string]string{"env": "dev", "old": ""}) || sel.labels(nil) {
		t.Error("the selector does not select as it should")
	}
	for raw, want := range map[string]string{
		"labelSelector=%zz":                                   "cannot be read",
		"labelSelector=a&labelSelector=b":                     "given 2 times",
		"labelselector=env%3Dprod":                            "did you mean labelSelector?",
		"pretty=1":                                            `unknown parameter "pretty"`,
		"labelSelector=a%3D%3D%3Db":                           "want such as env=prod,",
		"labelSelector=" + url.QueryEscape("("):               "labelSelector: ",
		"labelSelector=" + strings.Repeat("a", maxSelector+1): "longer than",
		"state=up":                `"up" is not one of online`,
		"limit=0":                 "from 1 to",
		"limit=-1":                "from 1 to",
		"limit=99999999999999999": "from 1 to",
		"continue=!":              "continue: ",
		"continue=" + continueAfter(subjects.ClusterRef{Tenant: "a.b", Cluster: "c"}): "continue: ",
	} {
		if _, _, f := readQuery(raw); f == nil || !strings.Contains(f.Detail, want) {
			t.Errorf("%.60s: %v, want %q", raw, f, want)
		}
	}
}

// FuzzReadQuery: whatever is asked is refused, or selects what it says.
func FuzzReadQuery(f *testing.F) {
	f.Add("tenant=acme&labelSelector=env%20in%20(a,b),!c&state=online&limit=1&continue=YS9i", "env", "a")
	f.Add("labelSelector=x%3E1", "x", "2")
	f.Fuzz(func(t *testing.T, raw, key, value string) {
		sel, p, failure := readQuery(raw)
		if failure != nil {
			if failure.Kind.Status != 400 {
				t.Errorf("%q: %v", raw, failure)
			}
			return
		}
		sel.labels(map[string]string{key: value})
		if p.after.Cluster != "" {
			if again, ok := parseContinue(continueAfter(p.after)); !ok || again != p.after {
				t.Errorf("%q: %v is not the same again: %v", raw, p.after, again)
			}
		}
		if p.limit < 0 || p.limit > maxLimit {
			t.Errorf("%q: limit %d", raw, p.limit)
		}
	})
}

package webhook

import (
	"encoding/json"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/deploy/requestinfo"
	"github.com/fairlead-io/fairlead/subjects"
)

// TestQuestionsDiffer: an answer is kept for the question that was asked, and for no
// other whose parts are put together in another way.
func TestQuestionsDiffer(t *testing.T) {
	callers := []*access.Caller{
		{Name: "ab"}, {Name: "a", UID: "b"}, {UID: "ab"},
		{Name: "ab", Groups: []string{"c"}}, {Name: "ab", Groups: []string{"c", ""}}, {Name: "ab", Groups: []string{"c", "d"}}, {Name: "ab", Groups: []string{"cd"}}, {Name: "ab", Groups: []string{"d", "c"}},
		{Name: "ab", Extra: map[string][]string{"c": {"d"}}}, {Name: "ab", Extra: map[string][]string{"c": nil, "d": nil}}, {Name: "ab", Extra: map[string][]string{"c": {"d", "e"}}},
		{Name: "ab", Extra: map[string][]string{"c": {"d"}, "e": nil}}, {Name: "ab", Groups: []string{"c"}, Extra: map[string][]string{"d": nil}},
		{Name: "ab", Method: "token"}, {Name: "ab", Issuer: "token"},
	}
	clusters := []subjects.ClusterRef{{Tenant: "t", Cluster: "c"}, {Tenant: "tc"}, {Tenant: "c", Cluster: "t"}}
	var infos []*requestinfo.Info
	for _, r := range []struct{ method, target string }{
		{"GET", "/version"}, {"POST", "/version"}, {"GET", "/api/v1/pods"}, {"GET", "/api/v1/namespaces/a/pods"}, {"GET", "/api/v1/namespaces/a/pods/b"},
		{"GET", "/api/v1/namespaces/a/pods/b/log"}, {"DELETE", "/api/v1/namespaces/a/pods/b"}, {"GET", "/apis/apps/v1/pods"}, {"GET", "/api/v2/pods"},
	} {
		info, err := requestinfo.Parse(r.method, r.target)
		if err != nil {
			t.Fatal(err)
		}
		infos = append(infos, info)
	}
	seen := map[digest]string{}
	add := func(q question) {
		spec, err := json.Marshal(q.spec())
		if err != nil {
			t.Fatal(err)
		}
		d := q.digest()
		if other, twice := seen[d]; twice {
			t.Errorf("the same digest for\n%s\n%s", other, spec)
		}
		if seen[d] = string(spec); q.digest() != d {
			t.Errorf("another digest for %s", spec)
		}
	}
	for _, c := range callers {
		for _, ref := range clusters {
			add(question{caller: c, cluster: ref, kind: getCluster})
			add(question{caller: c, cluster: ref, kind: listClusters})
			for _, info := range infos {
				add(question{caller: c, cluster: ref, kind: requestTo, info: info})
			}
		}
	}
}

package bridge

import (
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/client"
)

// TestPullSecretFleet: clusters that have the namespaces, one that lacks one, one that is offline and
// a name that is none.
func TestPullSecretFleet(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{clusters: []string{"spare"}})
	servers := map[string]*namespaceServer{}
	for _, cluster := range []string{"one", "two"} {
		servers[cluster] = newNamespaceServer()
		servers[cluster].put("serviceaccounts/default", "{}")
		r.agent("default", cluster, servers[cluster].handle)
	}
	c, ctx := r.goClient(r.token), t.Context()
	p := api.FleetPullSecret{
		Clusters: []string{"one", "two", "spare.lab", "No Name"}, Namespaces: []string{"team"},
		PullSecret: api.PullSecret{RegistryLogin: api.RegistryLogin{Registry: "ghcr.io", Username: "u", Token: hunter}, ServiceAccounts: []string{"default"}},
	}
	put := func() (map[string]api.FleetLine, *api.FleetSummary) {
		return linesByCluster(t, c.PutPullSecrets(ctx, "regcred", p, client.PullSecretOptions{}))
	}
	of, sum := put()
	for cluster, s := range servers {
		got := namespacesOf(t, of[cluster])
		if of[cluster].Problem != nil || len(got.Namespaces) != 1 || !got.Namespaces[0].Created || !got.Namespaces[0].Report.WellFormed || got.Namespaces[0].Report.Cluster != cluster {
			t.Errorf("%s: %+v", cluster, got)
		}
		if !strings.Contains(s.content("regcred"), hunter) || len(s.references("default")) != 1 {
			t.Errorf("%s: %s, %v", cluster, s.content("regcred"), s.references("default"))
		}
	}
	if want := map[string]int{"cluster-never-connected": 1, "bad-cluster-name": 1}; !maps.Equal(sum.Failed, want) || sum.Responses["2xx"] != 2 || !sum.Complete {
		t.Errorf("summary %+v", sum)
	}
	p.Clusters, p.Namespaces = []string{"one"}, []string{"other", "team"}
	of, sum = put()
	got := namespacesOf(t, of["one"])
	if of["one"].Problem == nil || of["one"].Problem.Code != "object-not-found" || len(got.Namespaces) != 2 || got.Namespaces[0].Problem == nil || got.Namespaces[1].Report == nil || sum.Failed["object-not-found"] != 1 {
		t.Errorf("%+v, %+v", of, sum)
	}
	if strings.Contains(r.log.String(), hunter) {
		t.Error("the token was logged")
	}
}

// linesByCluster reads the lines of a response, by their clusters.
func linesByCluster(t *testing.T, lines iter.Seq2[api.FleetLine, error]) (of map[string]api.FleetLine, sum *api.FleetSummary) {
	t.Helper()
	of = map[string]api.FleetLine{}
	for line, err := range lines {
		if err != nil {
			t.Fatal(err)
		}
		if sum = line.Summary; sum == nil {
			of[line.Cluster] = line
		}
	}
	return of, sum
}

// namespacesOf is what a line has of the namespaces of its cluster.
func namespacesOf(t *testing.T, l api.FleetLine) (got api.FleetPullSecretResult) {
	t.Helper()
	if err := json.Unmarshal(l.Body, &got); err != nil {
		t.Errorf("%s: %v", l.Body, err)
	}
	return got
}

// pullSecretOf is a pull secret as a test stores it.
func pullSecretOf(content string) string {
	return secretOf("kubernetes.io/dockerconfigjson", ".dockerconfigjson", content, "")
}

// TestPullSecretFleetReadAndDeleted: what was put is judged, and deleted, in many clusters.
func TestPullSecretFleetReadAndDeleted(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{clusters: []string{"spare"}})
	servers := map[string]*namespaceServer{}
	for _, cluster := range []string{"one", "two"} {
		s := newNamespaceServer()
		s.put("secrets/regcred", pullSecretOf(`{"auths":{"ghcr.io":{"auth":"dTp0"}}}`))
		s.put("serviceaccounts/default", `{"imagePullSecrets":[{"name":"regcred"}]}`)
		servers[cluster] = s
		r.agent("default", cluster, s.handle)
	}
	c, ctx := r.goClient(r.token), t.Context()
	in := client.PullSecretPlaces{
		Clusters: []string{"one", "two", "spare.lab"}, Namespaces: []string{"team", "other"}, Timeout: time.Minute, Deadline: time.Minute, Concurrency: 2,
	}
	of, sum := linesByCluster(t, c.PullSecrets(ctx, "regcred", in))
	for cluster := range servers {
		got := namespacesOf(t, of[cluster]).Namespaces
		if len(got) != 2 || got[0].Report == nil || !got[0].Report.WellFormed || !slices.Equal(got[0].Report.ServiceAccounts, []string{"default"}) || got[1].Problem == nil {
			t.Errorf("%s: %+v", cluster, got)
		}
	}
	if want := map[string]int{"object-not-found": 2, "cluster-never-connected": 1}; !maps.Equal(sum.Failed, want) {
		t.Errorf("summary %+v", sum)
	}
	in.Namespaces = []string{"team"}
	of, sum = linesByCluster(t, c.DeletePullSecrets(ctx, "regcred", in, client.PullSecretOptions{}))
	for cluster, s := range servers {
		got := namespacesOf(t, of[cluster]).Namespaces
		if len(got) != 1 || got[0].Deleted == nil || !got[0].Deleted.Deleted || len(got[0].Deleted.Detached) != 1 || s.get("secrets/regcred") != nil || len(s.references("default")) != 0 {
			t.Errorf("%s: %+v", cluster, got)
		}
	}
	if sum.Responses["2xx"] != 2 {
		t.Errorf("summary %+v", sum)
	}
	in.Clusters = in.Clusters[:1]
	servers["one"].put("secrets/regcred", pullSecretOf(`{"auths":{"ghcr.io":{"auth":"dTp0"}}}`))
	servers["one"].put("serviceaccounts/default", `{"imagePullSecrets":[{"name":"regcred"}]}`)
	of, _ = linesByCluster(t, c.DeletePullSecrets(ctx, "regcred", in, client.PullSecretOptions{KeepAttached: true}))
	if got := namespacesOf(t, of["one"]).Namespaces; len(got) != 1 || len(got[0].Deleted.Detached) != 0 || len(servers["one"].references("default")) != 1 {
		t.Errorf("detach=false: %+v", got)
	}
}

// TestPullSecretFleetReportsAreBounded: a cluster whose Secrets make large reports gets one
// line, and no more memory than a line may have.
func TestPullSecretFleetReportsAreBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	s := newNamespaceServer()
	var entries []string
	long := strings.Repeat(strings.Repeat("x", 60)+".", 3) // a report has a thousand entries at most
	for i := range 4000 {
		entries = append(entries, fmt.Sprintf(`"r%d.%sexample.com":{}`, i, long))
	}
	s.put("secrets/regcred", pullSecretOf(`{"auths":{`+strings.Join(entries, ",")+`}}`))
	r.agent("default", "one", s.handle)
	of, _ := linesByCluster(t, r.goClient(r.token).PullSecrets(t.Context(), "regcred", client.PullSecretPlaces{Clusters: []string{"one"}, Namespaces: []string{"team"}}))
	got := namespacesOf(t, of["one"]).Namespaces
	if len(got) != 1 || !got[0].Omitted || got[0].Report != nil || got[0].Problem != nil || of["one"].Status != 200 {
		t.Errorf("%+v", of["one"])
	}
}

// TestPullSecretFleetRefused: bodies for many clusters that are refused as a whole.
func TestPullSecretFleetRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	rest := strings.TrimPrefix(loginBody("ghcr.io"), "{")
	for _, body := range []string{
		"", "{" + rest, `{"clusters":["a"],` + rest, `{"namespaces":["a"],` + rest, `{"clusters":["a"],"namespaces":["A"],` + rest, `{"clusters":["a"],"namespaces":["a","a"],` + rest,
		`{"clusters":["a","a"],"namespaces":["a"],` + rest, `{"clusters":["a"],"namespaces":["a"]}`, `{"clusters":["a"],"namespaces":["a"],"timeout":"x",` + rest,
		`{"clusters":["a"],"namespaces":["a"],"deadline":"1000h",` + rest, `{"clusters":["a"],"namespaces":["a"],"concurrency":-1,` + rest,
	} {
		if res, text := r.do(r.h2, r.request("PUT", "/v1/pull-secrets/regcred", strings.NewReader(body))); res.StatusCode != http.StatusBadRequest || strings.Contains(text, hunter) {
			t.Errorf("%s: %d %s", body, res.StatusCode, text)
		}
	}
	for _, query := range []string{
		"", "?clusters=a", "?namespaces=a", "?clusters=a&namespaces=A", "?clusters=&namespaces=a,", "?clusters=a,a&namespaces=a", "?clusters=a&clusters=b&namespaces=a",
		"?clusters=a&namespaces=a&timeout=x", "?clusters=a&namespaces=a&deadline=9999h", "?clusters=a&namespaces=a&concurrency=x", "?clusters=a&namespaces=a&concurrency=1001",
		"?clusters=a&namespaces=a&detach=maybe", "?clusters=a&namespaces=a&mode=merge", "?clusters=a;namespaces=a", "?%zz",
	} {
		for _, method := range []string{"GET", "DELETE"} {
			if res, text := r.do(r.h2, r.request(method, "/v1/pull-secrets/regcred"+query, nil)); res.StatusCode != http.StatusBadRequest {
				t.Errorf("%s %s: %d %s", method, query, res.StatusCode, text)
			}
		}
	}
	for method, query := range map[string]string{"PUT": "", "GET": "?clusters=a&namespaces=a", "DELETE": "?clusters=a&namespaces=a"} {
		req := r.request(method, "/v1/pull-secrets/regcred"+query, strings.NewReader(`{"clusters":["a"],"namespaces":["a"],`+rest))
		req.Header.Set("If-Match", "*")
		if res, text := r.do(r.h2, req); res.StatusCode != http.StatusBadRequest {
			t.Errorf("a condition: %s: %d %s", method, res.StatusCode, text)
		}
	}
}

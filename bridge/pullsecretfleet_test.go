package bridge

import (
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/client"
)

// TestPullSecretFleet: clusters that have the namespaces, one that lacks one, one that is offline and
// a name that is none.
func TestPullSecretFleet(t *testing.T) {
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
	put := func() (of map[string]api.FleetLine, sum *api.FleetSummary) {
		of = map[string]api.FleetLine{}
		for line, err := range c.PutPullSecrets(ctx, "regcred", p, client.PullSecretOptions{}) {
			if err != nil {
				t.Fatal(err)
			}
			if sum = line.Summary; sum == nil {
				of[line.Cluster] = line
			}
		}
		return of, sum
	}
	result := func(l api.FleetLine) (got api.FleetPullSecretResult) {
		if err := json.Unmarshal(l.Body, &got); err != nil {
			t.Errorf("%s: %v", l.Body, err)
		}
		return got
	}
	of, sum := put()
	for cluster, s := range servers {
		got := result(of[cluster])
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
	got := result(of["one"])
	if of["one"].Problem == nil || of["one"].Problem.Code != "object-not-found" || len(got.Namespaces) != 2 || got.Namespaces[0].Problem == nil || got.Namespaces[1].Report == nil || sum.Failed["object-not-found"] != 1 {
		t.Errorf("%+v, %+v", of, sum)
	}
	if strings.Contains(r.log.String(), hunter) {
		t.Error("the token was logged")
	}
}

// TestPullSecretFleetRefused: bodies for many clusters that are refused as a whole.
func TestPullSecretFleetRefused(t *testing.T) {
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
	req := r.request("PUT", "/v1/pull-secrets/regcred", strings.NewReader(`{"clusters":["a"],"namespaces":["a"],`+rest))
	req.Header.Set("If-Match", "*")
	if res, text := r.do(r.h2, req); res.StatusCode != http.StatusBadRequest {
		t.Errorf("a condition: %d %s", res.StatusCode, text)
	}
}

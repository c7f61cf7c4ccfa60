package bridge

import (
	"maps"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/subjects"
)

func TestClustersAPI(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{clusters: []string{"spare"}})
	r.agent("default", "prod", hello)
	r.agent("acme", "prod", hello)
	r.agent("acme", "prod", hello)
	r.leaves(r.agent("acme", "dev", hello), "acme", "dev")

	res, body := r.do(r.h2, r.request("GET", "/v1/clusters/prod.acme", nil))
	c := decode[api.Cluster](t, body)
	if res.StatusCode != 200 || c.Name != "prod.acme" || c.Tenant != "acme" || c.Cluster != "prod" || c.State != "connected" ||
		c.Kubernetes != "v1.34.4" || len(c.Instances) != 2 || c.LastSeen == nil {
		t.Errorf("got %d %s", res.StatusCode, body)
	}
	if in := c.Instances[0]; in.Version != "v1.2.3" || !in.Compatible || !in.APIServerReachable || in.State != string(subjects.PresenceUp) || in.Started == nil {
		t.Errorf("instance %+v", in)
	}
	if f := c.Instances[0].LastFailure; f == nil || f.Hop != "tcp" || f.Cause != "unknown" || f.Title == "" || f.At.Unix() != 1700000000 || f.Detail != "refused?" {
		t.Errorf("last failure %+v", f)
	}
	res, body = r.do(r.h2, r.request("GET", "/v1/clusters/elsewhere", nil))
	if c := decode[api.Cluster](t, body); res.StatusCode != 200 || c.State != "never-connected" || c.Instances == nil {
		t.Errorf("got %d %s", res.StatusCode, body)
	}
	res, body = r.do(r.h2, r.request("GET", "/v1/clusters/typo.lab", nil))
	wantFailure(t, res, body, answer.UnknownCluster)
	res, body = r.do(r.h2, r.request("GET", "/v1/clusters/a.b.c", nil))
	wantFailure(t, res, body, answer.BadClusterName)

	states := func(token, query string) map[string]string {
		req := r.request("GET", "/v1/clusters"+query, nil)
		req.Header.Set("Authorization", "Bearer "+token)
		res, body := r.do(r.h1, req)
		if res.StatusCode != 200 {
			t.Fatalf("got %d %s", res.StatusCode, body)
		}
		got := map[string]string{}
		for _, c := range decode[struct{ Clusters []api.Cluster }](t, body).Clusters {
			got[c.Name] = string(c.State)
		}
		return got
	}
	for _, tt := range []struct {
		token, query string
		want         map[string]string
	}{
		{r.token, "", map[string]string{"prod": "connected", "prod.acme": "connected", "dev.acme": "offline", "spare.lab": "never-connected"}},
		{r.token, "?tenant=acme", map[string]string{"prod.acme": "connected", "dev.acme": "offline"}},
		{r.acme, "", map[string]string{"prod.acme": "connected", "dev.acme": "offline"}},
		{r.acme, "?tenant=default", map[string]string{}},
	} {
		if got := states(tt.token, tt.query); !maps.Equal(got, tt.want) {
			t.Errorf("clusters%s: %v, want %v", tt.query, got, tt.want)
		}
	}
	res, body = r.do(r.h1, r.request("GET", "/v1/clusters?tenant=nobody", nil))
	wantFailure(t, res, body, answer.UnknownCluster)
	if !strings.Contains(body, `tenant: \"nobody\" is not known`) {
		t.Errorf("an unknown tenant: %s", body)
	}
	res, body = r.do(r.h1, r.request("DELETE", "/v1/clusters/prod", nil))
	wantFailure(t, res, body, answer.WrongMethod)
	if !strings.Contains(body, "DELETE is not allowed at /v1/clusters/prod, but GET") {
		t.Errorf("another method: %s", body)
	}
	if res.Header.Get("Allow") != "GET" {
		t.Errorf("Allow: %q", res.Header.Get("Allow"))
	}
}

package bridge

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/subjects"
)

// listenTime is the longest time that a list of clusters listens for agents.
const listenTime = subjects.HeartbeatInterval + 500*time.Millisecond

// TestRefusedTenantIsToldApart: if the broker refuses one tenant, every answer about
// that tenant gives the reason, within the usual time, and no other tenant is
// affected.
func TestRefusedTenantIsToldApart(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{strange: "other"})
	r.agent("acme", "prod", hello)

	began := time.Now()
	res, body := r.do(r.h1, r.request("GET", "/v1/clusters", nil))
	if res.StatusCode != 200 {
		t.Fatalf("list: %d %s", res.StatusCode, body)
	}
	if took := time.Since(began); took > listenTime+time.Second {
		t.Errorf("the list took %v, want at most %v", took, listenTime)
	}
	list := decode[api.ClusterList](t, body)
	if len(list.Clusters) != 1 || list.Clusters[0].Name != "prod.acme" || list.Clusters[0].State != string(directory.Connected) {
		t.Errorf("clusters %+v, want prod.acme, connected", list.Clusters)
	}
	if len(list.Unavailable) != 1 || list.Unavailable[0].Tenant != "other" || list.Unavailable[0].Code != answer.BrokerDown.Code ||
		!strings.Contains(list.Unavailable[0].Reason, "has refused this bridge") {
		t.Errorf("unavailable %+v, want other, refused", list.Unavailable)
	}

	began = time.Now()
	for _, path := range []string{"/v1/clusters/prod.other", "/k8s/clusters/prod.other/api"} {
		res, body = r.do(r.h1, r.request("GET", path, nil))
		if res.StatusCode != 503 || res.Header.Get(answer.Header) != answer.BrokerDown.Code || !strings.Contains(body, "has refused this bridge") {
			t.Errorf("%s: %d %s, want 503 and that the broker has refused this bridge", path, res.StatusCode, body)
		}
	}
	res, body = r.do(r.h1, r.request("GET", "/v1/clusters?tenant=other", nil))
	if list := decode[api.ClusterList](t, body); res.StatusCode != 200 || len(list.Unavailable) != 1 {
		t.Errorf("list of the one tenant: %d %s", res.StatusCode, body)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("a refusal that is known took %v to tell", took)
	}
	if got := r.server.cfg.Tenants.Refused(); !slices.Equal(got, []string{"other"}) {
		t.Errorf("refused tenants %v, want other", got)
	}
}

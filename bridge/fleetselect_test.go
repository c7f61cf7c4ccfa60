package bridge

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/client"
)

// TestFleetCallSelects: clusters by labels, tenant and state, among those that the caller
// may see.
func TestFleetCallSelects(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{clusters: []string{"spare"}, config: newAccessFile(t, labelled).configure})
	r.agent("default", "prod", hello)
	r.agent("acme", "prod", hello)
	r.leaves(r.agent("acme", "dev", hello), "acme", "dev")
	admin, acme := r.goClient(r.token), r.goClient(r.acme)
	selector := func(s string) *string { return &s }
	for _, tt := range []struct {
		c    *client.Client
		call api.FleetCall
		want []string
	}{
		{admin, api.FleetCall{Selector: selector("")}, []string{"dev.acme", "later.acme", "prod", "prod.acme", "spare.lab"}},
		{admin, api.FleetCall{Selector: selector("env=prod")}, []string{"prod.acme"}},
		{admin, api.FleetCall{Selector: selector("site=hq"), State: "online"}, []string{"prod", "prod.acme"}},
		{admin, api.FleetCall{Tenant: "acme", State: "offline"}, []string{"dev.acme"}},
		{admin, api.FleetCall{Selector: selector("nobody")}, nil},
		// The token may reach every cluster of its tenant, and no other.
		{acme, api.FleetCall{Selector: selector("")}, []string{"dev.acme", "later.acme", "prod.acme"}},
		{acme, api.FleetCall{Tenant: "default"}, nil},
		{acme, api.FleetCall{State: "online"}, []string{"prod.acme"}},
	} {
		tt.call.Path = "/version"
		of, sum := linesByCluster(t, tt.c.FleetCall(t.Context(), tt.call))
		if got := slices.Sorted(maps.Keys(of)); !slices.Equal(got, tt.want) || sum.Total != len(tt.want) || !sum.Complete {
			t.Errorf("%+v: %v, %+v", tt.call, got, sum)
		}
	}
	in := client.PullSecretPlaces{Selector: selector("env=prod"), Tenant: "acme", State: "online", Namespaces: []string{"team"}}
	if of, _ := linesByCluster(t, admin.PullSecrets(t.Context(), "regcred", in)); len(of) != 1 || of["prod.acme"].Body == nil {
		t.Errorf("pull secrets: %v", of)
	}
}

// TestFleetCallSelectionRefused: what may mean something else than it says selects nothing.
func TestFleetCallSelectionRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	r.agent("default", "prod", hello)
	for _, choice := range []string{
		`"clusters": ["prod"], "selector": ""`, `"clusters": [], "selector": ""`, `"clusters": ["prod"], "tenant": "acme"`, `"selector": null`,
		`"selector": "(("`, `"selector": 7`, `"selector": "` + strings.Repeat("a", 5000) + `"`, `"state": "up"`, `"tenant": "a.b"`, `"tenant": "A/.."`,
	} {
		for method, target := range map[string]string{"POST": "/v1/requests", "PUT": "/v1/pull-secrets/regcred"} {
			rest := `"path": "/version"`
			if method == "PUT" {
				rest = `"namespaces": ["team"], "registry": "ghcr.io", "username": "u", "token": "hunter2hunter2"`
			}
			res, text := r.do(r.h2, r.request(method, target, strings.NewReader(fmt.Sprintf("{%s, %s}", choice, rest))))
			if res.StatusCode != http.StatusBadRequest || strings.Contains(text, "hunter2") {
				t.Errorf("%s: %d %s", choice, res.StatusCode, text)
			}
		}
	}
	if n := r.metric("fairlead_bridge_requests_in_flight"); n != 0 {
		t.Errorf("%v requests run", n)
	}
}

// TestFleetCallTenantUnavailable: where a tenant cannot be asked for its clusters, the call
// says that some may be missing.
func TestFleetCallTenantUnavailable(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{strange: "other"})
	r.agent("acme", "prod", hello)
	res, err := r.h1.Do(r.request("POST", "/v1/requests", strings.NewReader(`{"selector": "", "path": "/version"}`)))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	var last api.FleetLine
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || last.Summary == nil {
		t.Fatalf("%s: %v", b, err)
	}
	if s := last.Summary; s.Complete || len(s.Unavailable) != 1 || s.Unavailable[0].Tenant != "other" || s.Responses["2xx"] != 1 {
		t.Errorf("%s", b)
	}
}

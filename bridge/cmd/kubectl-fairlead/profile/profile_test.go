package profile

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-io/fairlead/bridge/api"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var at = metav1.NewTime(time.Unix(1e9, 0))

func connected(name string) *api.Cluster {
	return &api.Cluster{
		Name: name, Tenant: "acme", State: "connected", Kubernetes: "v1.34.1",
		Instances: []api.Instance{{Compatible: true}, {Compatible: true, APIServerReachable: true}},
	}
}

// TestHealth: only an agent that reaches its API server makes a control plane healthy, and
// only one that does not makes it unhealthy.
func TestHealth(t *testing.T) {
	m := Maker{Manager: "fairlead"}
	unreachable := connected("a")
	unreachable.Instances = unreachable.Instances[:1]
	for _, tt := range []struct {
		cluster        *api.Cluster
		status, reason string
	}{
		{connected("a"), "True", "APIServerReachable"},
		{unreachable, "False", "APIServerUnreachable"},
		{&api.Cluster{State: "offline"}, "Unknown", "AgentsOffline"},
		{&api.Cluster{State: "never-connected"}, "Unknown", "NeverConnected"},
		{&api.Cluster{State: "incompatible"}, "Unknown", "AgentsIncompatible"},
		{&api.Cluster{State: "of a newer bridge"}, "Unknown", "Unknown"},
	} {
		got := m.Make(tt.cluster, at).Status.Conditions
		if len(got) != 1 || got[0].Type != "ControlPlaneHealthy" || string(got[0].Status) != tt.status || got[0].Reason != tt.reason ||
			got[0].Message == "" || !got[0].LastTransitionTime.Equal(&at) {
			t.Errorf("%s: %+v, want %s %s", tt.cluster.State, got, tt.status, tt.reason)
		}
	}
}

// TestHostileLabels: what an agent says of its cluster selects nothing, and fits the API.
func TestHostileLabels(t *testing.T) {
	c := connected("prod.acme")
	c.Distribution = "k3s"
	c.Labels = map[string]string{
		"x-k8s.io/cluster-manager": "other", "topology.kubernetes.io/region": "eu-1", "empty": "",
		"fairlead.io/state": "fine", "fairlead.io/tenant": "root", "fairlead.io/platform": "none", "long": strings.Repeat("x", maxValue+1), strings.Repeat("n", 254): "x",
	}
	p := (&Maker{Manager: "fairlead", Bridge: "https://b"}).Make(c, at)
	if len(p.Labels) != 1 || p.Labels[managerLabel] != "fairlead" {
		t.Errorf("labels: %v", p.Labels)
	}
	got, err := json.Marshal(p.Status.Properties)
	const want = `[{"name":"fairlead.io/distribution","value":"k3s"},{"name":"fairlead.io/state","value":"connected"},{"name":"fairlead.io/tenant","value":"acme"},` +
		`{"name":"topology.kubernetes.io/region","value":"eu-1"},{"name":"x-k8s.io/cluster-manager","value":"other"}]`
	if err != nil || string(got) != want {
		t.Errorf("properties %s, want %s", got, want)
	}
}

func (h *hub) conditionTime(name string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	conditions := h.objects[name]["status"].(map[string]any)["conditions"].([]any)
	return conditions[0].(map[string]any)["lastTransitionTime"].(string)
}

// TestKeep: profiles follow the clusters, what is unchanged is not written, and others'
// are left alone.
func TestKeep(t *testing.T) {
	h, k := newHub(t)
	m := Maker{Namespace: "fleet", Manager: "fairlead", Bridge: "https://b", CA: []byte("pem")}
	ctx := t.Context()
	other := (&Maker{Namespace: "fleet", Manager: "other"}).Make(connected("theirs"), at)
	b, _ := json.Marshal(other)
	var o map[string]any
	_ = json.Unmarshal(b, &o)
	h.objects["theirs"] = o

	step := func(what string, clusters []*api.Cluster, now metav1.Time, complete bool, want, wantErr string) {
		t.Helper()
		var all []*Profile
		for _, c := range clusters {
			all = append(all, m.Make(c, now))
		}
		_, err := k.Keep(ctx, all, complete, now.Time)
		if got := h.wrote(); got != want {
			t.Errorf("%s: wrote %q, want %q", what, got, want)
		}
		if err == nil && wantErr != "" || err != nil && (wantErr == "" || !strings.Contains(err.Error(), wantErr)) {
			t.Errorf("%s: %v, want %q", what, err, wantErr)
		}
	}
	a, c := connected("a"), connected("c")
	both := []*api.Cluster{a, c}
	later := metav1.NewTime(at.Add(time.Hour))
	step("new", both, at, true, "apply a, apply a status, apply c, apply c status", "")
	step("unchanged", both, later, true, "", "")
	a.Kubernetes = "v1.35.0"
	step("upgraded", both, later, true, "apply a status", "")
	if got := h.conditionTime("a"); got != "2001-09-09T01:46:40Z" {
		t.Errorf("a condition that has not changed has the time %s", got)
	}
	a.State = "offline"
	step("offline", both, later, true, "apply a status", "")
	if got := h.conditionTime("a"); got != "2001-09-09T02:46:40Z" {
		t.Errorf("a condition that has changed has the time %s", got)
	}
	step("incomplete", []*api.Cluster{a}, later, false, "", "")
	k.Patience = 10 * time.Minute
	step("gone", []*api.Cluster{a}, later, true, "", "")
	step("back", both, metav1.NewTime(later.Add(9*time.Minute)), true, "", "")
	step("gone again", []*api.Cluster{a}, metav1.NewTime(later.Add(9*time.Minute)), true, "", "")
	step("gone for 9 minutes", []*api.Cluster{a}, metav1.NewTime(later.Add(18*time.Minute)), true, "", "")
	step("gone for 10 minutes", []*api.Cluster{a}, metav1.NewTime(later.Add(19*time.Minute)), true, "delete c", "")
	k.Patience = 0
	h.broken = "a"
	a.State = "connected"
	step("one fails", both, later, true, "apply c, apply c status", "ClusterProfile a: status")
	h.broken = ""
	step("a name of another manager", []*api.Cluster{a, connected("theirs")}, later, true, "apply a status, delete c", `belongs to the cluster manager "other"`)
	step("none", nil, later, true, "", "the bridge shows no cluster, so none of the 1 ClusterProfiles is deleted")
	step("none, of a list that may be incomplete", nil, later, false, "", "")
	if len(h.objects) != 2 {
		t.Errorf("left: %v", h.objects)
	}
}

package profile

import (
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/fairlead-io/fairlead/bridge/api"
)

// of are the profiles of clusters.
func of(clusters ...*api.Cluster) (all []*Profile) {
	m := Maker{Namespace: "fleet", Manager: "fairlead", Bridge: "https://b"}
	for _, c := range clusters {
		all = append(all, m.Make(c, at))
	}
	return all
}

// labelled is a cluster of a tenant, with a label.
func labelled(name, tenant, env string) *api.Cluster {
	c := connected(name)
	c.Tenant, c.Labels = tenant, map[string]string{"env": env}
	return c
}

// TestKeepersShareANamespace: one that keeps some clusters only leaves the profiles of the
// others to whoever keeps them, and one that is not chosen any more goes to that keeper.
func TestKeepersShareANamespace(t *testing.T) {
	h, acme := newHub(t)
	prod, lab := *acme, *acme
	selector, err := labels.Parse("env=prod")
	if err != nil {
		t.Fatal(err)
	}
	acme.Covers = func(p *Profile) bool { return p.Chosen("acme", labels.Everything()) }
	lab.Covers = func(p *Profile) bool { return p.Chosen("lab", labels.Everything()) }
	prod.Covers = func(p *Profile) bool { return p.Chosen("", selector) }
	keep := func(k *Keeper, want string, clusters ...*api.Cluster) {
		t.Helper()
		if _, err := k.Keep(t.Context(), of(clusters...), true, at.Time); err != nil {
			t.Error(err)
		}
		if got := h.wrote(); got != want {
			t.Errorf("wrote %q, want %q", got, want)
		}
	}
	one, two, three := labelled("one.acme", "acme", "prod"), labelled("two.acme", "acme", "dev"), labelled("three.lab", "lab", "dev")
	four := labelled("four.lab", "lab", "prod")
	keep(acme, "apply one.acme, apply one.acme status, apply two.acme, apply two.acme status", one, two)
	keep(&lab, "apply three.lab, apply three.lab status, apply four.lab, apply four.lab status", three, four)
	keep(&prod, "", one, four)
	four.Labels["env"] = "dev"
	keep(&lab, "apply four.lab status", three, four)
	keep(&prod, "", one)
	keep(&lab, "delete four.lab", three)
	keep(acme, "delete one.acme", two)
}

// TestPatienceIsWithLists: the time in which it could not be seen what the bridge shows is
// no time in which a cluster was missing: the bridge may have begun anew since.
func TestPatienceIsWithLists(t *testing.T) {
	a, c := connected("a"), connected("c")
	for name, unseen := range map[string]func(*hub, *Keeper){
		"incomplete lists": func(_ *hub, k *Keeper) { _, _ = k.Keep(t.Context(), of(a, c), false, at.Add(5*time.Minute)) },
		"no lists":         func(_ *hub, k *Keeper) { k.Forget() },
		"no hub": func(h *hub, k *Keeper) {
			h.down.Store(true)
			defer h.down.Store(false)
			if _, err := k.Keep(t.Context(), of(a), true, at.Add(5*time.Minute)); err == nil {
				t.Error("the hub is down, and is not")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			h, k := newHub(t)
			k.Patience = 10 * time.Minute
			keep := func(after time.Duration, clusters ...*api.Cluster) {
				t.Helper()
				if _, err := k.Keep(t.Context(), of(clusters...), true, at.Add(after)); err != nil {
					t.Error(err)
				}
			}
			keep(0, a, c)
			keep(0, a)
			unseen(h, k)
			h.wrote()
			keep(11*time.Minute, a)
			if got := h.wrote(); got != "" {
				t.Errorf("wrote %q when c was missing from one list since the bridge could be seen again", got)
			}
			keep(21*time.Minute, a)
			if got := h.wrote(); got != "delete c" {
				t.Errorf("wrote %q, want that c is deleted", got)
			}
		})
	}
}

// TestOthersInAStatus: what others add to the status of a profile is neither taken over nor
// a reason to write again and again.
func TestOthersInAStatus(t *testing.T) {
	h, k := newHub(t)
	var sent []any
	h.others = func(status map[string]any) {
		sent, _ = status["conditions"].([]any)
		add := func(list string, item map[string]any) {
			status[list] = append(slices.Clone(status[list].([]any)), item)
		}
		add("conditions", map[string]any{"type": "Joined", "status": "True", "reason": "Theirs", "message": "", "lastTransitionTime": "2001-09-09T01:46:40Z"})
		add("properties", map[string]any{"name": "theirs.example/cost", "value": "low"})
		add("accessProviders", map[string]any{"name": "theirs", "cluster": map[string]any{"server": "https://elsewhere"}})
	}
	a := connected("a")
	for _, want := range []string{"apply a, apply a status", "", ""} {
		if _, err := k.Keep(t.Context(), of(a), true, at.Time); err != nil {
			t.Fatal(err)
		}
		if got := h.wrote(); got != want {
			t.Errorf("wrote %q, want %q", got, want)
		}
	}
	a.State, a.Kubernetes = "offline", "v1.35.0"
	if _, err := k.Keep(t.Context(), of(a), true, at.Time); err != nil {
		t.Fatal(err)
	}
	if got := h.wrote(); got != "apply a status" || len(sent) != 1 || sent[0].(map[string]any)["type"] != "ControlPlaneHealthy" {
		t.Errorf("wrote %q with the conditions %v, want its own only", got, sent)
	}
	a.Distribution = "k3s"
	_, _ = k.Keep(t.Context(), of(a), true, at.Time)
	a.Distribution = "" // the property has to go
	h.wrote()
	if _, err := k.Keep(t.Context(), of(a), true, at.Time); err != nil || h.wrote() != "apply a status" {
		t.Errorf("%v; a property that the cluster no longer has is still there", err)
	}
}

// TestUnreadableProfiles of others, such as those of a newer version of the API, do not
// keep a fleet from being kept.
func TestUnreadableProfiles(t *testing.T) {
	h, k := newHub(t)
	for name, manager := range map[string]string{"theirs": "other", "mine": "fairlead"} {
		h.objects[name] = map[string]any{
			"apiVersion": "multicluster.x-k8s.io/v1alpha1", "kind": "ClusterProfile", "metadata": map[string]any{"name": name, "uid": "u-" + name},
			"spec": map[string]any{"clusterManager": map[string]any{"name": manager}}, "status": map[string]any{"properties": "of tomorrow"},
		}
	}
	_, err := k.Keep(t.Context(), of(connected("a"), connected("theirs")), true, at.Time)
	if err == nil || !strings.Contains(err.Error(), `ClusterProfile theirs: it belongs to the cluster manager "other"`) {
		t.Error(err)
	}
	if got := h.wrote(); got != "apply a, apply a status, delete mine" {
		t.Errorf("wrote %q", got)
	}
}

// TestTerminatingProfiles are not deleted in each round: whoever has a finalizer there may
// take its time.
func TestTerminatingProfiles(t *testing.T) {
	h, k := newHub(t)
	gone := of(connected("gone"))[0]
	gone.DeletionTimestamp = &metav1.Time{Time: at.Time}
	o, err := object(gone, "")
	if err != nil {
		t.Fatal(err)
	}
	h.objects["gone"] = o.Object
	if done, err := k.Keep(t.Context(), of(connected("a")), true, at.Time); err != nil || done.Deleted != 0 {
		t.Errorf("%+v, %v", done, err)
	}
	if got := h.wrote(); got != "apply a, apply a status" {
		t.Errorf("wrote %q", got)
	}
}

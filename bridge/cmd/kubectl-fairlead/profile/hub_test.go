package profile

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// hub is an API server that has ClusterProfiles with a status subresource, as the CRD
// says, and nothing else.
type hub struct {
	mu      sync.Mutex
	objects map[string]map[string]any
	writes  []string
	broken  string                      // name of an object that cannot be written
	others  func(status map[string]any) // adds to a status what others keep there; nil: nothing
	down    atomic.Bool
	t       *testing.T
}

const hubPath = "/apis/multicluster.x-k8s.io/v1alpha1/namespaces/fleet/clusterprofiles"

func newHub(t *testing.T) (*hub, *Keeper) {
	h := &hub{t: t, objects: map[string]map[string]any{}}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	c, err := dynamic.NewForConfig(&rest.Config{Host: s.URL, QPS: 1000, Burst: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return h, &Keeper{Hub: c.Resource(Resource).Namespace("fleet"), Manager: "fairlead"}
}

func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	name, sub, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, hubPath), "/"), "/")
	if !strings.HasPrefix(r.URL.Path, hubPath) || name != "" && name == h.broken || h.down.Load() {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"no"}`)
		return
	}
	switch r.Method {
	case http.MethodGet:
		items := []any{}
		for _, o := range h.objects {
			items = append(items, o)
		}
		h.write(w, map[string]any{"kind": "ClusterProfileList", "apiVersion": "multicluster.x-k8s.io/v1alpha1", "metadata": map[string]any{}, "items": items})
	case http.MethodDelete:
		h.writes = append(h.writes, "delete "+name)
		delete(h.objects, name)
		h.write(w, map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Success"})
	case http.MethodPatch:
		h.apply(w, r, name, sub)
	}
}

func (h *hub) apply(w http.ResponseWriter, r *http.Request, name, sub string) {
	var o map[string]any
	if err := json.NewDecoder(r.Body).Decode(&o); err != nil || r.Header.Get("Content-Type") != "application/apply-patch+yaml" || r.URL.Query().Get("fieldManager") == "" {
		h.t.Errorf("patch %s: %v, %s %s", name, err, r.Header, r.URL)
	}
	old := h.objects[name]
	switch {
	case sub == "status" && (old == nil || o["spec"] != nil), sub == "" && o["status"] != nil:
		h.t.Errorf("apply %q of %s: %v", sub, name, o)
	case sub == "status":
		old["status"] = o["status"]
		if h.others != nil {
			h.others(o["status"].(map[string]any))
		}
	case old == nil:
		o["metadata"].(map[string]any)["uid"] = "u-" + name
		h.objects[name] = o
	default:
		old["spec"] = o["spec"]
	}
	h.writes = append(h.writes, strings.TrimSuffix("apply "+name+" "+sub, " "))
	h.write(w, h.objects[name])
}

func (h *hub) write(w http.ResponseWriter, o any) {
	if err := json.NewEncoder(w).Encode(o); err != nil {
		h.t.Error(err)
	}
}

// wrote returns what was written since the last call.
func (h *hub) wrote() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := strings.Join(h.writes, ", ")
	h.writes = nil
	return s
}

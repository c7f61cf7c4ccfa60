package bridge

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// fakeKube is an API server as far as an apply needs one: discovery, server-side apply of
// whole objects, lists and deletions. test/e2e has a real one.
type fakeKube struct {
	mu       sync.Mutex
	objects  map[string]map[string]any // by path
	version  int
	requests []string // method and target
	// hook answers before anything else if it returns true.
	hook func(head *subjects.RequestHead, s *stream.Stream) bool
	// crdReads is how many reads of a definition it takes until it is established.
	crdReads int
}

var fakeKinds = map[string]string{
	"/api/v1": `{"resources":[{"name":"namespaces","kind":"Namespace","verbs":["get","list","patch","delete"]},
		{"name":"configmaps","kind":"ConfigMap","namespaced":true,"verbs":["get","list","patch","delete"]},
		{"name":"configmaps/x","kind":"ConfigMap","namespaced":false,"verbs":[]},
		{"name":"../../evil","kind":"Evil","namespaced":true,"verbs":["patch"]}]}`,
	"/apis/apps/v1":                 `{"resources":[{"name":"deployments","kind":"Deployment","namespaced":true,"verbs":["get","list","patch","delete"]}]}`,
	"/apis/apiextensions.k8s.io/v1": `{"resources":[{"name":"customresourcedefinitions","kind":"CustomResourceDefinition","verbs":["get","list","patch","delete"]}]}`,
}

const widgets = `{"resources":[{"name":"widgets","kind":"Widget","namespaced":true,"verbs":["get","list","patch","delete"]}]}`

func newFakeKube() *fakeKube { return &fakeKube{objects: map[string]map[string]any{}} }

func (k *fakeKube) serve(head *subjects.RequestHead, s *stream.Stream) {
	body, _ := io.ReadAll(s)
	if k.hook != nil && k.hook(head, s) {
		return
	}
	k.mu.Lock()
	k.requests = append(k.requests, head.Method+" "+head.Target)
	status, answer := k.answer(head, body)
	k.mu.Unlock()
	reply(s, status, answer, "Content-Type", "application/json", "Warning", `299 - "old API"`)
}

func (k *fakeKube) answer(head *subjects.RequestHead, body []byte) (int, string) {
	u, err := url.ParseRequestURI(head.Target)
	if err != nil {
		return 400, ""
	}
	path, q := u.Path, u.Query()
	if list, ok := fakeKinds[path]; ok {
		return 200, list
	}
	if path == "/apis/example.com/v1" && k.established() {
		return 200, widgets
	}
	dry := q.Get("dryRun") == "All"
	switch was := k.objects[path]; {
	case head.Method == http.MethodPatch:
		return k.patch(path, q.Get("fieldManager"), dry, was, body)
	case head.Method == http.MethodGet && q.Has("labelSelector"):
		return k.list(path, q.Get("labelSelector"))
	case was == nil:
		return 404, `{"kind":"Status","message":"not found"}`
	case head.Method == http.MethodDelete:
		if !strings.Contains(string(body), fmt.Sprintf(`"uid":%q`, meta(was)["uid"])) {
			return 409, `{"kind":"Status","message":"another UID"}`
		}
		if !dry {
			delete(k.objects, path)
		}
		return 200, `{"kind":"Status"}`
	default:
		if strings.Contains(path, "customresourcedefinitions") {
			k.crdReads--
		}
		return 200, text(k.seen(was))
	}
}

// established reports whether the definition of widgets is there for long enough.
func (k *fakeKube) established() bool {
	return k.objects["/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com"] != nil && k.crdReads <= 0
}

// seen is an object with what the API server adds.
func (k *fakeKube) seen(o map[string]any) map[string]any {
	if o["kind"] == "CustomResourceDefinition" && k.established() {
		o["status"] = map[string]any{"conditions": []any{map[string]any{"type": "Established", "status": "True"}}}
	}
	return o
}

func (k *fakeKube) patch(path, manager string, dry bool, was map[string]any, body []byte) (int, string) {
	var o map[string]any
	if json.Unmarshal(body, &o) != nil {
		return 400, ""
	}
	if o["fail"] == true {
		return 409, `{"kind":"Status","message":"conflict with \"other\""}`
	}
	if was != nil && text(was["data"]) == text(o["data"]) && text(meta(was)["labels"]) == text(meta(o)["labels"]) {
		return 200, text(k.seen(was))
	}
	m, status := meta(o), 200
	if was == nil {
		status = 201
		m["uid"] = fmt.Sprint("uid-", len(k.objects), "-", k.version)
	} else {
		m["uid"] = meta(was)["uid"]
	}
	m["managedFields"] = []any{map[string]any{"manager": manager, "operation": "Apply"}}
	if dry {
		if was != nil {
			m["resourceVersion"] = meta(was)["resourceVersion"]
		}
		return status, text(o)
	}
	k.version++
	m["resourceVersion"] = fmt.Sprint(k.version)
	k.objects[path] = o
	return status, text(k.seen(o))
}

func (k *fakeKube) list(path, selector string) (int, string) {
	s, err := labels.Parse(selector)
	if err != nil {
		return 400, ""
	}
	var items []any
	for at, o := range k.objects {
		set := labels.Set{}
		have, _ := meta(o)["labels"].(map[string]any)
		for name, v := range have {
			set[name], _ = v.(string)
		}
		if strings.HasPrefix(at, path+"/") && s.Matches(set) {
			items = append(items, o)
		}
	}
	return 200, text(map[string]any{"items": items, "metadata": map[string]any{}})
}

func meta(o map[string]any) map[string]any {
	m, _ := o["metadata"].(map[string]any)
	return m
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// paths are those of the objects, sorted.
func (k *fakeKube) paths() (all []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for path := range k.objects {
		all = append(all, path)
	}
	slices.Sort(all)
	return all
}

// made are the requests of a method, in order.
func (k *fakeKube) made(method string) (all []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, r := range k.requests {
		if target, ok := strings.CutPrefix(r, method+" "); ok {
			path, _, _ := strings.Cut(target, "?")
			all = append(all, path)
		}
	}
	return all
}

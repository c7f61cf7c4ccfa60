package bridge

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// namespaceServer answers for an API server that has the Secrets and service accounts of one
// namespace, with the resource versions, conditions and refusals of the real one.
type namespaceServer struct {
	mu      sync.Mutex
	version int
	objects map[string]map[string]any // by resource/name
	// before is called, without the lock, before a request is executed.
	before func(method, target string)
	// refuse answers instead, if the status is not 0.
	refuse func(method, target string) (status int, body string)
	seen   []string // method and path of each request
}

func newNamespaceServer() *namespaceServer {
	return &namespaceServer{version: 100, objects: map[string]map[string]any{}}
}

// put sets an object as it is.
func (s *namespaceServer) put(key, object string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var o map[string]any
	if err := json.Unmarshal([]byte(object), &o); err != nil {
		panic(err)
	}
	s.store(key, o)
}

// store keeps an object. The caller holds mu.
func (s *namespaceServer) store(key string, o map[string]any) map[string]any {
	s.version++
	resource, name, _ := strings.Cut(key, "/")
	kind := map[string]string{"secrets": "Secret", "serviceaccounts": "ServiceAccount"}[resource]
	uid := fmt.Sprintf("uid-%d", s.version)
	if old, ok := s.objects[key]; ok {
		uid = old["metadata"].(map[string]any)["uid"].(string)
	}
	o["kind"], o["apiVersion"] = kind, "v1"
	o["metadata"] = map[string]any{"name": name, "namespace": "team", "uid": uid, "resourceVersion": strconv.Itoa(s.version)}
	s.objects[key] = o
	return o
}

func (s *namespaceServer) get(key string) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.objects[key]
}

// content is that of the pull secret.
func (s *namespaceServer) content(name string) string {
	b, _ := json.Marshal(s.get("secrets/" + name)["data"])
	var data map[string][]byte
	_ = json.Unmarshal(b, &data)
	return string(data[".dockerconfigjson"])
}

// references are the pull secrets of a service account.
func (s *namespaceServer) references(name string) (all []string) {
	list, _ := s.get("serviceaccounts/" + name)["imagePullSecrets"].([]any)
	for _, r := range list {
		all = append(all, r.(map[string]any)["name"].(string))
	}
	return all
}

func (s *namespaceServer) handle(head *subjects.RequestHead, st *stream.Stream) {
	b, err := io.ReadAll(st)
	if err != nil {
		return
	}
	if s.before != nil {
		s.before(head.Method, head.Target)
	}
	status, body := 0, ""
	if s.refuse != nil {
		status, body = s.refuse(head.Method, head.Target)
	}
	if status == 0 {
		status, body = s.serve(head, b)
	}
	reply(st, status, body, "Content-Type", "application/json")
}

func (s *namespaceServer) serve(head *subjects.RequestHead, body []byte) (int, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path, query, _ := strings.Cut(head.Target, "?")
	s.seen = append(s.seen, head.Method+" "+path)
	key, ok := strings.CutPrefix(path, "/api/v1/namespaces/team/")
	if !ok {
		return statusBody(404, "NotFound", `namespaces "other" not found`)
	}
	var sent map[string]any
	if len(body) > 0 && json.Unmarshal(body, &sent) != nil {
		return statusBody(400, "BadRequest", "the body cannot be read")
	}
	old, exists := s.objects[key]
	switch {
	case key == "serviceaccounts":
		return s.list(query)
	case head.Method == "PATCH" && head.Header.Get("Content-Type") == "application/apply-patch+yaml" && strings.Contains(query, "fieldManager="):
		return s.apply(key, old, sent)
	case !exists:
		return statusBody(404, "NotFound", key+" not found")
	case head.Method == "GET":
		return 200, encode(old)
	case head.Method == "PATCH" && head.Header.Get("Content-Type") == "application/merge-patch+json":
		if conflicts(old, sent["metadata"]) {
			return statusBody(409, "Conflict", "the object has been modified")
		}
		next := maps.Clone(old)
		next["imagePullSecrets"] = sent["imagePullSecrets"]
		return 200, encode(s.store(key, next))
	case head.Method == "DELETE":
		if conflicts(old, sent["preconditions"]) {
			return statusBody(409, "Conflict", "Precondition failed")
		}
		delete(s.objects, key)
		return 200, `{"kind":"Status","status":"Success"}`
	}
	return statusBody(405, "MethodNotAllowed", "no")
}

// apply is server-side apply of a Secret. The caller holds mu.
func (s *namespaceServer) apply(key string, old, sent map[string]any) (int, string) {
	metadata := sent["metadata"].(map[string]any)
	if old == nil {
		if metadata["uid"] != nil {
			return statusBody(409, "Conflict", "uid mismatch")
		}
		return 201, encode(s.store(key, sent))
	}
	if conflicts(old, metadata) {
		return statusBody(409, "Conflict", "the object has been modified")
	}
	if old["type"] != sent["type"] {
		return 422, `{"kind":"Status","reason":"Invalid","message":"type: field is immutable","details":{"causes":[{"field":"type","message":"field is immutable"}]}}`
	}
	if old["immutable"] == true {
		return 422, `{"kind":"Status","reason":"Invalid","message":"data: no","details":{"causes":[{"field":"data","message":"field is immutable when immutable is set"}]}}`
	}
	next := maps.Clone(old)
	data, _ := old["data"].(map[string]any)
	data = maps.Clone(data)
	if data == nil {
		data = map[string]any{}
	}
	maps.Copy(data, sent["data"].(map[string]any))
	next["data"] = data
	return 200, encode(s.store(key, next))
}

// list lists service accounts, two a page. The caller holds mu.
func (s *namespaceServer) list(query string) (int, string) {
	parameters, _ := url.ParseQuery(query)
	after := parameters.Get("continue")
	items, next := []any{}, ""
	for _, key := range slices.Sorted(maps.Keys(s.objects)) {
		if !strings.HasPrefix(key, "serviceaccounts/") || key <= after {
			continue
		}
		if len(items) == 2 {
			next = "serviceaccounts/" + items[1].(map[string]any)["metadata"].(map[string]any)["name"].(string)
			break
		}
		items = append(items, s.objects[key])
	}
	return 200, encode(map[string]any{"kind": "ServiceAccountList", "metadata": map[string]any{"continue": next}, "items": items})
}

// conflicts reports whether an object is not the one that is named.
func conflicts(old map[string]any, named any) bool {
	want, _ := named.(map[string]any)
	metadata := old["metadata"].(map[string]any)
	return want["uid"] != nil && want["uid"] != metadata["uid"] || want["resourceVersion"] != nil && want["resourceVersion"] != metadata["resourceVersion"]
}

func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func statusBody(code int, reason, message string) (int, string) {
	return code, encode(map[string]any{"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message})
}

// pullRig is a rig with a cluster that has such a namespace.
func pullRig(t *testing.T, s *namespaceServer) *rig {
	t.Helper()
	r := newRig(t, rigOptions{})
	r.agent("default", "prod", s.handle)
	return r
}

const pullPath = "/v1/clusters/prod/namespaces/team/pull-secrets/"

// pull makes a request of a pull secret; header are pairs.
func (r *rig) pull(method, name, body string, header ...string) (*http.Response, string) {
	r.t.Helper()
	req := r.request(method, pullPath+name, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return r.do(r.h2, req)
}

package operations

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/deploy/requestinfo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	onePath = `"path": "/api/v1/namespaces/default/configmaps/c"`
	object  = `{"apiVersion": "v1", "kind": "ConfigMap"}`
)

func readText(t testing.TB, text string) (*order, *answer.Failure) {
	t.Helper()
	var spec api.OperationSpec
	if err := json.Unmarshal([]byte(text), &spec); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return read(&spec)
}

// TestOrders: what an API server is sent for each kind.
func TestOrders(t *testing.T) {
	const target = "/api/v1/namespaces/default/configmaps/c"
	for name, tt := range map[string]struct {
		spec                              string
		method, target, contentType, body string
	}{
		"apply":            {`{"kind": "apply", ` + onePath + `, "fieldManager": "a b&c", "body": ` + object + `}`, "PATCH", target + "?fieldManager=a+b%26c&force=false", "application/apply-patch+yaml", object},
		"apply of YAML":    {`{"kind": "apply", ` + onePath + `, "fieldManager": "ci", "force": true, "body": "apiVersion: v1\nkind: ConfigMap\n"}`, "PATCH", target + "?fieldManager=ci&force=true", "application/apply-patch+yaml", "apiVersion: v1\nkind: ConfigMap\n"},
		"apply of status":  {`{"kind": "apply", "path": "/apis/apps/v1/namespaces/a/deployments/b/status", "fieldManager": "ci", "body": ` + object + `}`, "PATCH", "/apis/apps/v1/namespaces/a/deployments/b/status?fieldManager=ci&force=false", "application/apply-patch+yaml", object},
		"a namespace":      {`{"kind": "apply", "path": "/api/v1/namespaces/a", "fieldManager": "ci", "body": ` + object + `}`, "PATCH", "/api/v1/namespaces/a?fieldManager=ci&force=false", "application/apply-patch+yaml", object},
		"secrets of a CRD": {`{"kind": "apply", "path": "/apis/example.com/v1/namespaces/a/secrets/b", "fieldManager": "ci", "body": ` + object + `}`, "PATCH", "/apis/example.com/v1/namespaces/a/secrets/b?fieldManager=ci&force=false", "application/apply-patch+yaml", object},
		"merge":            {`{"kind": "patch", ` + onePath + `, "patchType": "merge", "body": {"metadata": {"resourceVersion": "7"}}}`, "PATCH", target, "application/merge-patch+json", `{"metadata": {"resourceVersion": "7"}}`},
		"strategic":        {`{"kind": "patch", ` + onePath + `, "patchType": "strategic", "fieldManager": "ci", "body": "{\"metadata\": {\"resourceVersion\": \"7\"}}"}`, "PATCH", target + "?fieldManager=ci", "application/strategic-merge-patch+json", `{"metadata": {"resourceVersion": "7"}}`},
		"JSON patch":       {`{"kind": "patch", ` + onePath + `, "patchType": "json", "body": [{"op": "test", "path": "/metadata/resourceVersion", "value": "7"}]}`, "PATCH", target, "application/json-patch+json", `[{"op": "test", "path": "/metadata/resourceVersion", "value": "7"}]`},
		"delete":           {`{"kind": "delete", ` + onePath + `, "preconditions": {"uid": "u"}, "propagationPolicy": "Orphan"}`, "DELETE", target, "application/json", `{"apiVersion":"v1","kind":"DeleteOptions","preconditions":{"uid":"u"},"propagationPolicy":"Orphan"}`},
	} {
		o, f := readText(t, tt.spec)
		if f != nil {
			t.Errorf("%s: %v", name, f)
			continue
		}
		if o.method != tt.method || o.target != tt.target || o.contentType != tt.contentType || string(o.body) != tt.body || o.ttl != defaultTTL {
			t.Errorf("%s: %+v, body %s", name, o, o.body)
		}
	}
}

// TestRefusedOrders: what may do harm later or twice, or is no operation.
func TestRefusedOrders(t *testing.T) {
	apply := func(path string) string {
		return `{"kind": "apply", "path": "` + path + `", "fieldManager": "ci", "body": ` + object + `}`
	}
	for spec, want := range map[string]string{
		`{}`: "kind", `{"kind": "create", ` + onePath + `}`: "kind", `{"kind": "APPLY", ` + onePath + `}`: "kind",
		apply(""): "path", apply("api/v1/namespaces/a/configmaps/b"): "path", apply("/api/v1/namespaces/a/configmaps"): "path", apply("/version"): "path",
		apply("/api/v1/namespaces/a/configmaps/b?force=true"): "path", apply("/api/v1/namespaces/a/configmaps/b#x"): "path",
		apply("/api/v1/namespaces/a/configmaps/../secrets/b"): "path", apply("//api/v1/namespaces/a/configmaps/b"): "path", apply("/api/v1/watch/namespaces/a/configmaps/b"): "path",
		apply("/api/v1/namespaces/a/secrets/b"): "Secrets", apply("/api/v1/namespaces/a/%73ecrets/b"): "path", apply("/api/v1/namespaces/a/pods/b/exec"): "exec",
		apply("/api/v1/namespaces/a/pods/b/proxy/x"): "path", apply("/api/v1/namespaces/a/serviceaccounts/b/token"): "token", apply("/api/v1/namespaces/a/pods/b/ephemeralcontainers"): "ephemeralcontainers",
		apply("/apis/platform.fairlead.io/v1/operations/x"):                                                                                               "platform's own",
		`{"kind": "patch", ` + onePath + `, "patchType": "merge", "body": {"metadata": {"resourceVersion": "000"}}}`:                                      "resourceVersion",
		`{"kind": "patch", ` + onePath + `, "patchType": "strategic", "body": {"metadata": {"$patch": "delete", "resourceVersion": "7"}}}`:                "resourceVersion",
		`{"kind": "patch", ` + onePath + `, "patchType": "strategic", "body": {"$retainKeys": ["data"], "metadata": {"resourceVersion": "7"}}}`:           "resourceVersion",
		`{"kind": "patch", ` + onePath + `, "patchType": "merge", "body": {"metadata": {"resourceVersion": "7"}, "metadata": {"resourceVersion": null}}}`: "resourceVersion",
		apply("/" + strings.Repeat("a", maxPath)):                                                                                                                                              "path",
		`{"kind": "apply", ` + onePath + `, "body": ` + object + `}`:                                                                                                                           "fieldManager",
		`{"kind": "apply", ` + onePath + `, "fieldManager": "a\nb", "body": ` + object + `}`:                                                                                                   "fieldManager",
		`{"kind": "apply", ` + onePath + `, "fieldManager": "ci"}`:                                                                                                                             "body",
		`{"kind": "apply", ` + onePath + `, "fieldManager": "ci", "body": null}`:                                                                                                               "body",
		`{"kind": "apply", ` + onePath + `, "fieldManager": "ci", "body": []}`:                                                                                                                 "body",
		`{"kind": "apply", ` + onePath + `, "fieldManager": "ci", "body": {"kind": "a"}}`:                                                                                                      "body",
		`{"kind": "apply", ` + onePath + `, "fieldManager": "ci", "body": "a: b\n---\nc: d"}`:                                                                                                  "body",
		`{"kind": "apply", ` + onePath + `, "fieldManager": "ci", "patchType": "json", "body": ` + object + `}`:                                                                                "patchType",
		`{"kind": "apply", ` + onePath + `, "fieldManager": "ci", "preconditions": {"uid": "u"}, "body": ` + object + `}`:                                                                      "preconditions",
		`{"kind": "patch", ` + onePath + `, "body": {}}`:                                                                                                                                       "patchType",
		`{"kind": "patch", ` + onePath + `, "patchType": "merge", "body": {"data": {}}}`:                                                                                                       "resourceVersion",
		`{"kind": "patch", ` + onePath + `, "patchType": "merge", "body": {"metadata": {"resourceVersion": ""}}}`:                                                                              "resourceVersion",
		`{"kind": "patch", ` + onePath + `, "patchType": "merge", "body": {"Metadata": {"resourceVersion": "7"}}}`:                                                                             "resourceVersion",
		`{"kind": "patch", ` + onePath + `, "patchType": "merge", "body": {"metadata": {"resourceVersion": 7}}}`:                                                                               "resourceVersion",
		`{"kind": "patch", ` + onePath + `, "patchType": "json", "body": [{"op": "replace", "path": "/data", "value": 1}, {"op": "test", "path": "/metadata/resourceVersion", "value": "7"}]}`: "test",
		`{"kind": "patch", ` + onePath + `, "patchType": "merge", "force": true, "body": {"metadata": {"resourceVersion": "7"}}}`:                                                              "force",
		`{"kind": "delete", ` + onePath + `}`:                                                                                                                                                  "preconditions", `{"kind": "delete", ` + onePath + `, "preconditions": {}}`: "preconditions",
		`{"kind": "delete", ` + onePath + `, "preconditions": {"uid": "` + strings.Repeat("u", 200) + `"}}`: "preconditions",
		`{"kind": "delete", ` + onePath + `, "preconditions": {"uid": "u"}, "propagationPolicy": "x"}`:      "propagationPolicy",
		`{"kind": "delete", ` + onePath + `, "preconditions": {"uid": "u"}, "body": {}}`:                    "body",
		`{"kind": "delete", "path": "/api/v1/namespaces/a/configmaps", "preconditions": {"uid": "u"}}`:      "path",
		`{"kind": "delete", "path": "/api/v1/namespaces/a/pods/b/status", "preconditions": {"uid": "u"}}`:   "status",
		`{"kind": "apply", ` + onePath + `, "ttl": "1s", "fieldManager": "ci", "body": ` + object + `}`:     "ttl",
	} {
		if o, f := readText(t, spec); f == nil || f.Kind != answer.BadRequest || !strings.Contains(f.Detail, want) {
			t.Errorf("%s: %+v, %v; want %q", spec, o, f, want)
		}
	}
	large := `{"kind": "apply", ` + onePath + `, "fieldManager": "ci", "body": {"apiVersion": "v1", "kind": "ConfigMap", "x": "` + strings.Repeat("x", maxBody) + `"}}`
	if _, f := readText(t, large); f == nil || f.Kind != answer.BodyTooLarge {
		t.Errorf("a large body: %v", f)
	}
}

// FuzzSpec: nothing that is accepted is anything but a change of one object that may be
// made later, and twice.
func FuzzSpec(f *testing.F) {
	f.Add([]byte(`{"kind": "apply", ` + onePath + `, "fieldManager": "ci", "body": ` + object + `}`))
	f.Add([]byte(`{"kind": "patch", ` + onePath + `, "patchType": "json", "body": [{"op": "test", "path": "/metadata/resourceVersion", "value": "7"}], "ttl": "1h"}`))
	f.Add([]byte(`{"kind": "patch", ` + onePath + `, "patchType": "merge", "body": "{\"metadata\": {\"resourceVersion\": \"7\"}}"}`))
	f.Add([]byte(`{"kind": "delete", ` + onePath + `, "preconditions": {"uid": "u"}, "propagationPolicy": "Orphan"}`))
	f.Add([]byte(`{"kind": "apply", ` + onePath + `, "fieldManager": "ci", "body": "a: &a [*a]\napiVersion: v1\nkind: x"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var spec api.OperationSpec
		if json.Unmarshal(text, &spec) != nil {
			return
		}
		o, refused := read(&spec)
		if refused != nil {
			if refused.Kind.Status/100 != 4 || refused.Detail == "" {
				t.Errorf("refused with %v", refused)
			}
			return
		}
		info, err := requestinfo.Parse(o.method, o.target)
		if err != nil || info.Name == "" || info.Ambiguous || info.Verb != "patch" && info.Verb != "delete" || info.APIGroup == "" && info.Resource == "secrets" {
			t.Errorf("%s %s: %+v, %v", o.method, o.target, info, err)
		}
		if o.contentType == "" || len(o.body) == 0 || len(o.body) > maxBody || o.ttl < minTTL || o.ttl > maxTTL || (o.method == http.MethodDelete) != (o.kind == api.OperationDelete) {
			t.Errorf("%+v", o)
		}
		if len(o.digest()) != 64 {
			t.Errorf("digest %q", o.digest())
		}
	})
}

// TestIdempotencyKeys: as it is, or as a structured field.
func TestIdempotencyKeys(t *testing.T) {
	for text, want := range map[string]string{
		"k": "k", `"k"`: "k", " k ": "k", `"a \"b\" \\"`: `a "b" \`, `a"b`: `a"b`, strings.Repeat("k", maxKey): strings.Repeat("k", maxKey),
		"": "", `""`: "", `"`: "", `"a`: "", `"a"b`: "", `"a\x"`: "", `"a\`: "", "a\tb": "", "ä": "", strings.Repeat("k", maxKey+1): "",
	} {
		key, f := idempotencyKey(http.Header{"Idempotency-Key": {text}})
		if key != want || (f == nil) != (want != "") || f != nil && f.Kind != answer.BadRequest {
			t.Errorf("%q: %q, %v, want %q", text, key, f, want)
		}
	}
	for _, h := range []http.Header{nil, {"Idempotency-Key": {"a", "a"}}} {
		if _, f := idempotencyKey(h); f == nil {
			t.Errorf("%v is taken", h)
		}
	}
}

// FuzzIdempotencyKey: a key is printable and bounded, and quoting it changes nothing.
func FuzzIdempotencyKey(f *testing.F) {
	f.Add("k")
	f.Add(`"a \" \\"`)
	f.Fuzz(func(t *testing.T, text string) {
		key, refused := idempotencyKey(http.Header{"Idempotency-Key": {text}})
		if refused != nil {
			return
		}
		if key == "" || len(key) > maxKey {
			t.Errorf("%q: %q", text, key)
		}
		quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(key) + `"`
		if again, f := idempotencyKey(http.Header{"Idempotency-Key": {quoted}}); f != nil || again != key {
			t.Errorf("%q: %q, %v", quoted, again, f)
		}
	})
}

// TestBounds: the documented ones.
func TestBounds(t *testing.T) {
	if defaultTTL != 24*time.Hour || maxTTL != 168*time.Hour || maxTenantBytes != 32<<20 || callTimeout >= fenceFor || parting >= 3*time.Second {
		t.Error("docs/operations.md says otherwise")
	}
}

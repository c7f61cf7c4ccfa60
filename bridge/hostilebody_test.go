package bridge

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/platform/endpoint"
)

// bodyRig has every route that takes a body, and callers who get as far as its parser.
type bodyRig struct {
	*jitRig
	routes []endpoint.Route
	client *http.Client
	dev    string // a token
}

func newBodyRig(t testing.TB) *bodyRig {
	t.Helper()
	r := &bodyRig{jitRig: newJITRig(t)}
	r.agent("default", "prod", hello)
	for _, route := range r.server.platform.Routes() {
		if route.Method != http.MethodGet {
			r.routes = append(r.routes, route)
		}
	}
	// What succeeds may be other than described here: encoding/json ignores the case of keys.
	r.client = &http.Client{Transport: r.transport(true)}
	t.Cleanup(r.client.CloseIdleConnections)
	r.dev = r.issuer.Token(t, "dev", "devs")
	return r
}

var bodyKinds = []string{"application/json", "application/yaml", "application/x-ndjson", ""}

// send sends a body to a route, and wants an answer that is no internal error.
func (r *bodyRig) send(t testing.TB, route endpoint.Route, kind string, body []byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	path := strings.NewReplacer("{cluster}", "prod", "{namespace}", "shop", "{name}", "web", "{id}", "absent").Replace(route.Path)
	req, err := http.NewRequestWithContext(ctx, route.Method, r.url+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+r.token)
	req.Header.Set("Idempotency-Key", "one")
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	if strings.Contains(route.Path, "access-requests") {
		req.Header.Set("Authorization", "Bearer "+r.dev)
	}
	res, err := r.client.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v: %.1000q", route.Method, route.Path, err, body)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil && ctx.Err() != nil {
		t.Fatalf("%s %s: not answered in time: %.1000q", route.Method, route.Path, body)
	}
	kindOfAnswer := res.Header.Get("Content-Type")
	if res.StatusCode == http.StatusInternalServerError || res.StatusCode >= 400 && kindOfAnswer != "application/problem+json" ||
		bytes.Contains(text, []byte(`"internal-error"`)) {
		t.Errorf("%s %s: %d %s %.1000s: %.1000q", route.Method, route.Path, res.StatusCode, kindOfAnswer, text, body)
	}
}

// hostileBodies are the beginnings of what is sent to every route.
func hostileBodies() [][]byte {
	all := []string{
		"", " ", "null", "true", "0", "-1", "1e400", `""`, "[]", "{}", "[{}]", "{", "}", `{"a"`, "\x00", "\xff\xfe", "\xef\xbb\xbf{}", "{}{}", "{}\n{}", "// {}",
		`{"path":null}`, `{"path":[]}`, `{"path":{}}`, `{"path":1e400}`, `{"path":"/x","path":"/y"}`, `{"path":"/\ud800"}`, `{"path":"/` + "\xff" + `"}`, `{"__proto__":{}}`,
		`{"path":"/x","method":"\r\nX: y","headers":{"":[""],"A\u0000":"b"},"body":{"a":1e999}}`, `{"path":"//evil/..%2f","timeout":"-1ns"}`,
		`{"path":"/x","timeout":"9223372036854775807h"}`, `{"path":"/x","bodyBase64":"!"}`, `{"path":"/x","stream":1}`, `{"path":"/x","stream":true,"timeout":"1ns"}`,
		`{"clusters":["prod","prod","..","a.b.c",""],"path":"/x"}`, `{"selector":"!!,in()","path":"/x","concurrency":-1,"deadline":"x"}`, `{"selector":"","path":"/x","concurrency":9223372036854775807}`,
		`{"verb":"*","resource":"../x","name":"\u0000"}`, `{"cluster":"","grant":"admin","reason":"` + strings.Repeat("r", 5000) + `"}`, `{"cluster":"prod","grant":"admin","reason":"x","duration":"-1h"}`,
		`{"registry":"https://[::1","username":"\n","token":""}`, `{"registries":[{"registry":"a"},{"registry":"a"},null]}`,
		`{"kind":"apply","manifest":{"apiVersion":"v1"}}`, `{"kind":"patch","patch":null,"resourceVersion":""}`, `{"labels":{"a b":"c"},"logLevel":"loud","limits":{"requests":-1}}`,
		strings.Repeat("[", 20000), strings.Repeat(`{"a":`, 20000), strings.Repeat("9", 20000), `{"` + strings.Repeat("k", 20000) + `":1}`,
		"a: &a [x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d]\n",
		"a: &a [*a]\n", "&a {a: *a}", "<<: *x", "? [a]\n: b", "!!binary x", "!!python/object:os.system x", "%YAML 9.9\n---\n", "---\n---\n...\n---\n", "a: b: c", "\t- x", "- - - -", "kind: [", "{a: b, a: c}",
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n---\napiVersion: v1\nkind: List\nitems: [null, 1, {}]\n", "apiVersion: ../..\nkind: ../x\nmetadata: {name: ../y, namespace: \"\\0\"}\n",
		"apiVersion: v1\nkind: ConfigMap\nmetadata: 3\n", "apiVersion: v1\nkind: Namespace\nmetadata: {name: [x], labels: 7, generateName: x}\n", "1: 2\ntrue: no\n~: ~\n.nan: .inf\n2001-01-01: 0x7fffffffffffffffff\n",
	}
	bodies := make([][]byte, len(all))
	for i, text := range all {
		bodies[i] = []byte(text)
	}
	return bodies
}

// TestHostileBodies sends hostile bodies, and changed ones, to every route that takes any:
// none may be answered with an internal error.
func TestHostileBodies(t *testing.T) {
	t.Parallel()
	r := newBodyRig(t)
	bodies := hostileBodies()
	random := rand.New(rand.NewPCG(1, 2)) // the same in every run
	for _, body := range bodies {
		for range 3 {
			bodies = append(bodies, mutate(random, body))
		}
	}
	for _, route := range r.routes {
		for i, body := range bodies {
			r.send(t, route, bodyKinds[i%2], body)
		}
	}
	if strings.Contains(r.log.String(), "panic") {
		t.Error("the log tells of a panic")
	}
}

// mutate changes a few bytes.
func mutate(random *rand.Rand, body []byte) []byte {
	changed := bytes.Clone(body)
	for range 1 + random.IntN(4) {
		const marks = "{}[]\":,\\\x00\xff0-&*!|>\n #"
		at, mark := random.IntN(len(changed)+1), marks[random.IntN(len(marks))]
		if at < len(changed) && random.IntN(2) == 0 {
			changed[at] = mark
		} else {
			changed = append(changed[:at], append([]byte{mark}, changed[at:]...)...)
		}
	}
	return changed
}

// FuzzBodies goes on with what TestHostileBodies begins.
func FuzzBodies(f *testing.F) {
	r := newBodyRig(f)
	for i, body := range hostileBodies() {
		f.Add(uint8(i), uint8(i/7), body)
	}
	f.Fuzz(func(t *testing.T, route, kind uint8, body []byte) {
		r.send(t, r.routes[int(route)%len(r.routes)], bodyKinds[int(kind)%len(bodyKinds)], body)
	})
}

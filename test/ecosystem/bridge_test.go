package ecosystem

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// bridge is a cluster behind a bridge: it answers callers of one token below one path.
type bridge struct {
	*httptest.Server
	ca    []byte
	token string
	path  string // "": a host of its own
}

func newBridge(t *testing.T, token, path string) *bridge {
	b := &bridge{token: token, path: path}
	b.Server = httptest.NewTLSServer(b)
	t.Cleanup(b.Close)
	b.ca = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: b.Certificate().Raw})
	return b
}

func (b *bridge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, below := strings.CutPrefix(r.URL.Path, b.path)
	if !below || r.Header.Get("Authorization") != "Bearer "+b.token {
		http.Error(w, "not through the bridge, or without its token", http.StatusUnauthorized)
		return
	}
	answers := map[string]string{
		"/version": `{"gitVersion":"v1.34.4"}`,
		"/api":     `{"kind":"APIVersions","versions":["v1"]}`,
		"/apis":    `{"kind":"APIGroupList","apiVersion":"v1","groups":[]}`,
		"/api/v1": `{"kind":"APIResourceList","groupVersion":"v1","resources":[
			{"name":"namespaces","singularName":"namespace","namespaced":false,"kind":"Namespace","verbs":["get"]}]}`,
		"/api/v1/namespaces/default": `{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"default","uid":"reached"}}`,
	}
	answer, known := answers[path]
	if !known {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(answer))
}

// example decodes the one YAML example of docs/ecosystem.md that has all of the texts. In
// it, whatever is said of the reader's bridge is said of b.
func (b *bridge) example(t *testing.T, into any, texts ...string) {
	t.Helper()
	doc, err := os.ReadFile("../../docs/ecosystem.md")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
next:
	for _, block := range strings.Split(string(doc), "```yaml\n")[1:] {
		block, _, _ = strings.Cut(block, "```")
		for _, text := range texts {
			if !strings.Contains(block, text) {
				continue next
			}
		}
		found = append(found, block)
	}
	if len(found) != 1 {
		t.Fatalf("docs/ecosystem.md has %d examples with %q, want 1", len(found), texts)
	}
	ca := strings.ReplaceAll(strings.TrimSpace(string(b.ca)), "\n", "\n    ")
	text := strings.NewReplacer(
		"https://fairlead.example.com", b.URL, "https://prod.acme.k8s.example.com", b.URL, "fl_...", b.token,
		"LS0t...", base64Of(b.ca), "-----BEGIN CERTIFICATE-----\n    ...\n    -----END CERTIFICATE-----", ca,
	).Replace(found[0])
	if err := yaml.UnmarshalStrict([]byte(text), into); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
}

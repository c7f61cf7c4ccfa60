package e2e

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/client"
	"github.com/fairlead-io/fairlead/test/harness"
)

// TestPlatformAPI does what a platform's code does without a Kubernetes client.
func TestPlatformAPI(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	sp.configMap("one", map[string]string{"a": "b"})
	ref := sp.system.Ref()

	var list struct{ Clusters []platformCluster }
	sp.platform("GET", "/v1/clusters", nil, http.StatusOK, &list)
	i := slices.IndexFunc(list.Clusters, func(c platformCluster) bool { return c.Name == ref })
	if i < 0 || list.Clusters[i].State != "connected" {
		t.Errorf("GET /v1/clusters: %+v, want %s in it, connected", list, ref)
	}
	var one platformCluster
	sp.platform("GET", "/v1/clusters/"+ref, nil, http.StatusOK, &one)
	if one.Kubernetes != sp.kube.Version || len(one.Instances) != 1 || !one.Instances[0].APIServerReachable {
		t.Errorf("GET /v1/clusters/%s: %+v, want Kubernetes %s and one instance that reaches it", ref, one, sp.kube.Version)
	}

	var read platformResult
	sp.platform("POST", "/v1/clusters/"+ref+"/requests", platformCall{Path: sp.path("/configmaps/one")}, http.StatusOK, &read)
	if read.Status != http.StatusOK || !strings.Contains(string(read.Body), `"a":"b"`) || len(read.Headers["Audit-Id"]) == 0 {
		t.Errorf("a GET: %+v, body %s", read, read.Body)
	}
	var made platformResult
	sp.platform("POST", "/v1/clusters/"+ref+"/requests", platformCall{
		Method: "POST", Path: sp.path("/configmaps"), Headers: map[string][]string{"Content-Type": {"application/json"}},
		Body: `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"two"}}`, Timeout: "30s",
	}, http.StatusOK, &made)
	if made.Status != http.StatusCreated || made.Duration == "" {
		t.Errorf("a POST: %+v", made)
	}
	// A refusal by the API server is an answer like any other.
	var again platformResult
	sp.platform("POST", "/v1/clusters/"+ref+"/requests", platformCall{Path: sp.path("/configmaps/none")}, http.StatusOK, &again)
	if again.Status != http.StatusNotFound {
		t.Errorf("a GET of nothing: %+v, want the API server's 404", again)
	}

	var problem struct {
		Status int
		Detail string
	}
	sp.platform("POST", "/v1/clusters/elsewhere.acme/requests", platformCall{Path: "/version"}, http.StatusServiceUnavailable, &problem)
	if problem.Status != http.StatusServiceUnavailable || !strings.Contains(problem.Detail, "has not connected") {
		t.Errorf("a cluster that never connected: %+v", problem)
	}
	sp.platform("POST", "/v1/clusters/"+ref+"/requests", json.RawMessage(`{"path":"/version","mehtod":"GET"}`), http.StatusBadRequest, &problem)
	if !strings.Contains(problem.Detail, "mehtod") {
		t.Errorf("an unknown key: %+v, want it named", problem)
	}
}

// platform does one request and decodes the answer.
func (sp *space) platform(method, path string, body any, status int, into any) {
	sp.t.Helper()
	encoded, err := json.Marshal(body)
	if err != nil {
		sp.t.Fatal(err)
	}
	if body == nil {
		encoded = nil
	}
	req, err := http.NewRequestWithContext(sp.t.Context(), method, sp.system.URL(path), bytes.NewReader(encoded))
	if err != nil {
		sp.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	a := ask(sp.t, sp.tunnel, req)
	if err := json.Unmarshal(a.body, into); err != nil || a.status != status {
		sp.t.Errorf("%s %s: %d %s (%v), want %d", method, path, a.status, clip(string(a.body)), err, status)
	}
}

// goClient is the client package with a token.
func (sp *space) goClient(s *harness.System, token string) *client.Client {
	sp.t.Helper()
	ca, err := os.ReadFile(s.CAFile())
	if err != nil {
		sp.t.Fatal(err)
	}
	c, err := client.New(s.URL(""), client.Options{Token: client.Token(token), TLS: client.TLS{CA: ca}})
	if err != nil {
		sp.t.Fatal(err)
	}
	sp.t.Cleanup(c.CloseIdleConnections)
	return c
}

type platformCluster struct {
	Name, State, Kubernetes string
	Instances               []struct{ APIServerReachable bool }
}

type platformCall struct {
	Method  string              `json:"method,omitempty"`
	Path    string              `json:"path"`
	Headers map[string][]string `json:"headers,omitempty"`
	Body    string              `json:"body,omitempty"`
	Timeout string              `json:"timeout,omitempty"`
}

type platformResult struct {
	Status   int
	Headers  map[string][]string
	Body     json.RawMessage
	Duration string
}

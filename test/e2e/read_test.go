package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestReadsEqualDirect runs kubectl commands that only read on both sides. Their
// output must not depend on the way to the cluster.
func TestReadsEqualDirect(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	sp.configMap("one", map[string]string{"a": "1", "umlaut": "äöü€\n", "empty": ""})
	sp.configMap("two", map[string]string{"b": strings.Repeat("x", 100_000)})

	for _, args := range []string{
		"get configmaps",
		"get configmaps -o wide --show-labels",
		"get configmaps -o json",
		"get configmaps -o yaml",
		"get configmap one -o jsonpath={.data.umlaut}",
		"get configmaps -o custom-columns=NAME:.metadata.name",
		"get configmaps -o name --sort-by=.metadata.name",
		"get configmaps --field-selector=metadata.name=one -o name",
		"get configmaps -l none=there",
		"get all,serviceaccounts",
		"get nodes -o name",
		"get namespaces -o name --chunk-size=2 -l kubernetes.io/metadata.name=default",
		"describe configmap one",
		"api-resources",
		"api-resources --api-group=apps -o wide",
		"api-versions",
		"explain pod.spec.containers",
		"explain deployments --recursive",
		"version -o json",
		"cluster-info",
		"auth can-i --list",
		"auth can-i get pods",
		"auth can-i get leases.coordination.k8s.io",
		"auth whoami",
		"get --raw /version",
		"get --raw /healthz?verbose",
		"get --raw /openapi/v3",
		"create configmap three --from-literal=a=b --dry-run=server -o name",
		"diff -f testdata/configmap.yaml",

		// Calls that fail: the text is the API server's, or derived from it.
		"get configmap none",
		"get unknownthings",
		"get leases -A",
		"delete leases --all",
		"get --raw /no/such/path",
		"top nodes",
		"top pods",
		"logs none",
		"exec none -- true",
		"explain nothing.at.all",
		"create -f testdata/invalid.yaml",
	} {
		t.Run(strings.ReplaceAll(args, "/", "|"), func(t *testing.T) {
			sp := &space{suite: sp.suite, t: t, name: sp.name}
			sp.same(strings.Fields(args)...)
		})
	}
}

// TestDenialNamesTheAgent: the API server's denial names the agent's service
// account, since the request is made as it.
func TestDenialNamesTheAgent(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	r := sp.same("get", "leases", "-A")
	want := `User "system:serviceaccount:fairlead:agent" cannot list resource "leases" in API group "coordination.k8s.io"`
	if r.code != 1 || !strings.Contains(r.stderr, want) {
		t.Errorf("exit code %d, stderr %q, want 1 and %q", r.code, r.stderr, want)
	}
	// The bridge adds which lock refused, as whom, and what would allow it.
	for _, want := range []string{"Warning: Kubernetes RBAC of cluster", "the cluster's agent itself", "kubectl create clusterrolebinding"} {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("stderr %q lacks %q", r.stderr, want)
		}
	}
}

// TestBodiesEqualDirect compares answers byte by byte, with their headers.
func TestBodiesEqualDirect(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	sp.configMap("one", map[string]string{"a": strings.Repeat("text that compresses well ", 20_000)})
	const table = "application/json;as=Table;v=v1;g=meta.k8s.io"
	for _, tt := range []struct {
		method, path, accept string
		header               []string
	}{
		{method: "GET", path: "/version"},
		{method: "GET", path: "/api"},
		{method: "GET", path: "/apis", accept: "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"},
		{method: "GET", path: "/openapi/v2", accept: "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"},
		{method: "GET", path: "/openapi/v2", header: []string{"Accept-Encoding", "gzip"}},
		{method: "GET", path: "/openapi/v3"},
		{method: "GET", path: "/openapi/v3/apis/apps/v1"},
		{method: "GET", path: sp.path("/configmaps/one")},
		{method: "GET", path: sp.path("/configmaps/one"), accept: "application/yaml"},
		{method: "GET", path: sp.path("/configmaps/one"), accept: "application/vnd.kubernetes.protobuf"},
		{method: "GET", path: sp.path("/configmaps/one"), accept: table},
		{method: "GET", path: sp.path("/configmaps/one"), header: []string{"Accept-Encoding", "gzip"}},
		{method: "HEAD", path: "/version"},
		{method: "OPTIONS", path: "/version"},
		{method: "GET", path: sp.path("/configmaps/none")},
		{method: "GET", path: sp.path("/configmaps/one"), accept: "image/png"},
		{method: "GET", path: sp.path("/configmaps?limit=abc")},
		{method: "GET", path: sp.path("/configmaps/a%2Fb")},
		{method: "GET", path: sp.path("/configmaps/%C3%A4")},
		{method: "GET", path: sp.path("/configmaps?labelSelector=a%3Db%2Cc%21%3Dd&x=%20+&y")},
		{method: "GET", path: "//version"},
		{method: "GET", path: "/api/v1/"},
		{method: "GET", path: "/"},
		{method: "PROPFIND", path: "/version"},
	} {
		name := fmt.Sprint(tt.method, " ", strings.ReplaceAll(tt.path, "/", "|"), " ", strings.ReplaceAll(tt.accept, "/", "|"), tt.header)
		t.Run(name, func(t *testing.T) {
			get := func(side side) answer {
				req, err := http.NewRequestWithContext(t.Context(), tt.method, side.server+tt.path, nil)
				if err != nil {
					t.Fatal(err)
				}
				if tt.accept != "" {
					req.Header.Set("Accept", tt.accept)
				}
				for j := 0; j+1 < len(tt.header); j += 2 {
					req.Header.Set(tt.header[j], tt.header[j+1])
				}
				return ask(t, side, req)
			}
			direct, tunnel := get(sp.direct), get(sp.tunnel)
			// What the server describes changes as other tests add kinds.
			for range 5 {
				after := get(sp.direct)
				if len(differences(direct, after)) == 0 {
					break
				}
				direct, tunnel = after, get(sp.tunnel)
			}
			compareAnswers(t, direct, tunnel)
		})
	}
}

// answer is a response, read whole.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// ask does a request without following redirects.
func ask(t *testing.T, s side, req *http.Request) answer {
	t.Helper()
	client := *s.client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(req)
	if err != nil {
		t.Fatalf("%s %s (%s): %v", req.Method, req.URL, s.name, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s (%s): read body: %v", req.Method, req.URL, s.name, err)
	}
	return answer{resp.StatusCode, resp.Header, body}
}

// changing are headers that differ from one answer to the next.
var changing = []string{"Audit-Id", "Date"}

// compareAnswers expects the tunnel's answer to equal the direct one.
func compareAnswers(t *testing.T, direct, tunnel answer) {
	t.Helper()
	for _, d := range differences(direct, tunnel) {
		t.Error(d)
	}
}

// differences are those of the tunnel's answer from the direct one, except for headers that
// the bridge adds.
func differences(direct, tunnel answer) (all []string) {
	if direct.status != tunnel.status || !bytes.Equal(direct.body, tunnel.body) {
		all = append(all, fmt.Sprintf("direct: %d, %d bytes\n%s\ntunnel: %d, %d bytes\n%s", direct.status, len(direct.body),
			clip(string(direct.body)), tunnel.status, len(tunnel.body), clip(string(tunnel.body))))
	}
	for name, want := range direct.header {
		got := tunnel.header[name]
		if slices.Contains(changing, name) {
			if len(got) != len(want) {
				all = append(all, fmt.Sprintf("header %s: %d values, directly %d", name, len(got), len(want)))
			}
		} else if !slices.Equal(got, want) {
			all = append(all, fmt.Sprintf("header %s: %q, directly %q", name, got, want))
		}
	}
	return all
}

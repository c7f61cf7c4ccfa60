package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-io/fairlead/test/harness"
)

// tunnelClient is a client of the bridge with connections of its own.
func (sp *space) tunnelClient(version string) *http.Client {
	sp.t.Helper()
	options := []harness.ClientOption{harness.NoCompression}
	if version == "HTTP/1.1" {
		options = append(options, harness.HTTP1)
	}
	client, err := sp.system.NewClient(options...)
	if err != nil {
		sp.t.Fatal(err)
	}
	sp.t.Cleanup(client.CloseIdleConnections)
	return client
}

// TestIdentityHeadersStopAtTheBridge sends every header that could make the API
// server attribute a request to another user. The agent may impersonate here, so
// a header that slipped through would take effect. Requests to impersonate are
// refused; the others are made as the agent.
func TestIdentityHeadersStopAtTheBridge(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	const agent = "fairlead-e2e-impersonation"
	from := sp.auditNow()
	refused := func(name string) bool { return strings.HasPrefix(strings.ToLower(name), "impersonate") }
	for name, value := range map[string]string{
		"Impersonate-User":           "fairlead-admin",
		"Impersonate-Group":          "system:masters",
		"Impersonate-Uid":            "1",
		"Impersonate-Extra-Scopes":   "all",
		"impersonate-user":           "fairlead-admin",
		"X-Remote-User":              "fairlead-admin",
		"X-Remote-Group":             "system:masters",
		"X-Remote-Extra-Scopes":      "all",
		"Proxy-Authorization":        "Basic YTpi",
		"Connection":                 "Impersonate-User",
		"Sec-WebSocket-Protocol":     "base64url.bearer.authorization.k8s.io.c3RvbGVu",
		"Impersonate_User":           "fairlead-admin",
		"Impersonate-Extra-A%2Fb":    "c",
		"Authorization-Impersonated": "x",
	} {
		for _, version := range []string{"HTTP/1.1", "HTTP/2"} {
			if version == "HTTP/2" && name == "Connection" {
				continue // not a header of HTTP/2
			}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
				sp.tunnel.server+"/apis/authentication.k8s.io/v1/selfsubjectreviews",
				strings.NewReader(`{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}`))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("User-Agent", agent)
			req.Header[name] = []string{value} // not canonicalized
			a := ask(t, side{name: version, client: sp.tunnelClient(version)}, req)
			if refused(name) {
				if a.status != http.StatusForbidden || !strings.Contains(string(a.body), "impersonation through this bridge is not allowed") {
					t.Errorf("%s: %s (%s): %d %s, want it refused", name, value, version, a.status, clip(string(a.body)))
				}
				continue
			}
			var review struct {
				Status struct {
					UserInfo struct {
						Username string
						Groups   []string
						Extra    map[string][]string
					}
				}
			}
			if err := json.Unmarshal(a.body, &review); err != nil {
				t.Errorf("%s: %s (%s): %d %s", name, value, version, a.status, clip(string(a.body)))
				continue
			}
			user := review.Status.UserInfo
			if user.Username != harness.AgentUser || strings.Contains(strings.Join(user.Groups, " "), "masters") || user.Extra["scopes"] != nil {
				t.Errorf("%s: %s (%s): the API server took the caller for %+v", name, value, version, user)
			}
		}
	}
	events, err := sp.audit(from, "", func(e auditEvent) bool { return e.UserAgent == agent || e.ImpersonatedUser != nil })
	if err != nil {
		t.Fatal(err)
	}
	if len(events) == 0 {
		t.Error("the audit log has none of the requests: the test proves nothing")
	}
	for _, e := range events {
		if e.ImpersonatedUser != nil || e.User.Username != harness.AgentUser {
			t.Errorf("the API server saw %s as %q, impersonating %v", e.RequestURI, e.User.Username, e.ImpersonatedUser)
		}
	}
}

// TestKubectlAs: kubectl --as is refused. It is not served with the agent's own
// rights, which may be greater.
func TestKubectlAs(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	objects := sp.admin.CoreV1().ConfigMaps(sp.name)
	_, err := objects.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "victim"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	from := sp.auditNow()
	fresh := sp.tunnel
	fresh.name = "as" // nothing is cached, so discovery is refused first
	// This command has its own wording for every 403.
	r := sp.do(sp.on(sp.tunnel, "auth", "whoami", "--as=fairlead-admin", "--as-group=system:masters"))
	if r.code == 0 || r.stdout != "" || !strings.Contains(r.stderr, "you do not have permission to call it") {
		t.Errorf("whoami: exit code %d, stdout %q, stderr %q, want a refusal", r.code, r.stdout, r.stderr)
	}
	for _, c := range []call{
		sp.on(fresh, "delete", "configmap", "victim", "--as=weak-user"),
		sp.on(sp.tunnel, "delete", "configmap", "victim", "--as=weak-user"),
		sp.on(sp.tunnel, "delete", "configmap", "victim", "--as=system:serviceaccount:"+sp.name+":default", "--as-uid=1"),
		sp.on(sp.tunnel, "get", "--raw", sp.path("/configmaps"), "--as=weak-user"),
		sp.on(sp.tunnel, "exec", "nobody", "--as=weak-user", "--", "true"),
	} {
		r := sp.do(c)
		if r.code == 0 || !strings.Contains(r.stderr, "impersonation through this bridge is not allowed") || !strings.Contains(r.stderr, "Impersonate-") {
			t.Errorf("kubectl %q: exit code %d, stdout %q, stderr %q, want an error that says why it was refused", c.args, r.code, r.stdout, r.stderr)
		}
	}
	if _, err := objects.Get(t.Context(), "victim", metav1.GetOptions{}); err != nil {
		t.Errorf("the config map that nobody was allowed to delete: %v", err)
	}
	events, err := sp.audit(from, sp.name, func(e auditEvent) bool {
		return e.User.Username == harness.AgentUser && strings.Contains(e.RequestURI, "/configmaps")
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		t.Errorf("the API server was asked for %s by the agent", e.RequestURI)
	}
}

// TestBadCallers: a caller with a wrong token, or with the CA of another bridge,
// sees the errors that users of kubectl know.
func TestBadCallers(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	ca, err := os.ReadFile(sp.system.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	otherCA, err := os.ReadFile(sp.kube.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, token string
		ca          []byte
		want        []string
	}{
		{"wrong token", "fl_wrong", ca, []string{"You must be logged in to the server"}},
		{"wrong CA", sp.system.Token, otherCA, []string{"certificate signed by unknown authority"}},
	} {
		config, err := harness.WriteKubeconfig(filepath.Join(t.TempDir(), "config"), sp.tunnel.server, tt.ca, tt.token)
		if err != nil {
			t.Fatal(err)
		}
		s := sp.tunnel
		s.kubeconfig, s.name = config, "bad"
		r := sp.do(sp.on(s, "get", "pods"))
		if r.code != 1 || !containsAny(r.stderr, tt.want) {
			t.Errorf("%s: exit code %d, stderr %q, want 1 and one of %q", tt.name, r.code, r.stderr, tt.want)
		}
	}
	// The HTTP answer names the cause.
	for token, want := range map[string]string{"": "no bearer token", "fl_wrong": "not valid"} {
		client, err := harness.NewTokenClient(sp.system.CAFile(), token)
		if err != nil {
			t.Fatal(err)
		}
		defer client.CloseIdleConnections()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, sp.tunnel.server+"/api", nil)
		if err != nil {
			t.Fatal(err)
		}
		a := ask(t, side{name: "token " + token, client: client}, req)
		if a.status != http.StatusUnauthorized || !strings.Contains(string(a.body), want) || !strings.Contains(string(a.body), `"kind":"Status"`) {
			t.Errorf("token %q: %d %s, want 401 and a Status with %q", token, a.status, a.body, want)
		}
		if a.header.Get("WWW-Authenticate") == "" {
			t.Errorf("token %q: no WWW-Authenticate", token)
		}
	}
}

func containsAny(s string, parts []string) bool {
	for _, p := range parts {
		if strings.Contains(s, p) {
			return true
		}
	}
	return false
}

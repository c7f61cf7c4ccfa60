package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/test/harness"
)

// fort is a Fairlead whose callers may read config maps of one namespace: mallory as the
// agent, which may do nearly everything and may impersonate, and jane as a user of the
// cluster. What the API server executes beyond that is a breach.
type fort struct {
	*guarded
	mallory, jane side
	sent          int
}

func newFort(sp *space) *fort {
	sp.t.Helper()
	f := &fort{guarded: newGuarded(sp)}
	const grant = `  - name: NAME
    clusters: [prod.acme]
    when: [caller.name == "NAMESPACE:NAME"]
    requests: [{verbs: [get, list, watch], resources: [configmaps], namespaces: [NAMESPACE]}]
    as: AS
`
	content := f.idTokens("fairlead") + "grants:\n"
	for name, as := range map[string]string{"mallory": "{agent: true}", "jane": `{user: caller.name, groups: '["NAMESPACE:readers"]'}`} {
		content += strings.NewReplacer("NAMESPACE", sp.name, "NAME", name, "AS", strings.ReplaceAll(as, "NAMESPACE", sp.name)).Replace(grant)
	}
	f.replace(content)
	f.start(harness.SystemOptions{})
	sp.allow("Group", sp.name+":readers", rule("*", "*"))
	sp.configMap("own", nil)
	f.mallory, f.jane = f.person("mallory"), f.person("jane")
	return f
}

// agentOf is the User-Agent of all requests of a caller, by which the audit log shows them.
func (f *fort) agentOf(s side) string { return "attack-" + f.sp.name + "-" + s.name }

// raw sends a request as bytes, and returns the status and body of the answer: 0 if the
// connection was closed without one. Each line of more is a header.
func (f *fort) raw(s side, line string, more ...string) (int, string) {
	f.sp.t.Helper()
	f.sent++
	c := f.sp.dialRaw(s, 10*time.Second)
	defer c.Close()
	token := restConfig(f.sp.t, s).BearerToken
	head := append([]string{
		line + " HTTP/1.1", "Host: localhost", "User-Agent: " + f.agentOf(s), "Authorization: Bearer " + token, "Connection: close",
	}, more...)
	c.write(f.sp.t, strings.Join(head, "\r\n")+"\r\n\r\n")
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	return resp.StatusCode, string(body)
}

// http2 sends a request by HTTP/2 with a target as it is.
func (f *fort) http2(s side, method, target string, header http.Header) int {
	f.sp.t.Helper()
	f.sent++
	u, err := url.Parse(s.server)
	if err != nil {
		f.sp.t.Fatal(err)
	}
	u.Opaque = "//" + u.Host + target
	req := (&http.Request{Method: method, URL: u, Header: header.Clone()}).WithContext(f.sp.t.Context())
	if req.Header == nil {
		req.Header = http.Header{}
	}
	req.Header.Set("User-Agent", f.agentOf(s))
	resp, err := s.client.Do(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// targets are paths below the cluster that lead out of the namespace if any server on the
// way reads them in another way than the one that decides. NS is the namespace.
var targets = []string{
	"/api/v1/namespaces/NS/../kube-system/configmaps",
	"/api/v1/namespaces/NS/%2e%2e/kube-system/configmaps",
	"/api/v1/namespaces/NS/.%2E/kube-system/configmaps",
	"/api/v1/namespaces/NS%2f..%2fkube-system/configmaps",
	"/api/v1/namespaces/NS%252f..%252fkube-system/configmaps",
	"/api/v1/namespaces/NS/%252e%252e/kube-system/configmaps",
	"/api/v1/namespaces/NS/configmaps/..%2f..%2fkube-system%2fconfigmaps",
	"/api/v1/namespaces/NS/configmaps/own/../../../kube-system/configmaps",
	"/api/v1/namespaces/NS/configmaps/../secrets",
	"/api/v1/namespaces/NS/configmaps/%2e%2e/secrets",
	"/api/v1/namespaces/NS/configmaps\\..\\secrets",
	"/api/v1/namespaces/NS/configmaps%5c..%5csecrets",
	"/api/v1/namespaces/NS/configmaps;/../secrets",
	"/api/v1/namespaces/NS;x=/configmaps",
	"/api/v1/namespaces/NS/configmaps/own%00/../../secrets",
	"/api/v1/namespaces//NS/configmaps",
	"/api/v1/namespaces/NS//configmaps",
	"//api/v1/namespaces/NS/configmaps",
	"//kube-system/../api/v1/secrets",
	"/./api/v1/namespaces/NS/configmaps",
	"/api/v1/namespaces/kube-system/configmaps",
	"/api/v1/namespaces/kube%2dsystem/configmaps",
	"/api/v1/namespaces/%6bube-system/configmaps",
	"/api/v1/namespaces/kube-system/configmaps?x=/api/v1/namespaces/NS/configmaps",
	"/api/v1/namespaces/kube-system/configmaps#/api/v1/namespaces/NS/configmaps",
	"/api/v1/configmaps",
	"/api/v1/configmaps?fieldSelector=metadata.namespace%3DNS",
	"/api/v1/configmaps?namespace=NS",
	"/api/v1/watch/namespaces/kube-system/configmaps",
	"/api/v1/watch/configmaps",
	"/api/v1/namespaces/NS/secrets",
	"/api/v1/namespaces/NS",
	"/api/v1/namespaces/NS/configmaps/own/status",
	"/api/v1/namespaces/NS/pods/own/proxy/configmaps",
	"/api/v1/namespaces/NS/services/https:kubernetes:443/proxy/api/v1/secrets",
	"/api/v1/proxy/namespaces/NS/services/kubernetes",
	"/api/v1/nodes/node-1/proxy/configz",
	"/API/V1/namespaces/NS/secrets",
	"/apis//v1/namespaces/NS/configmaps",
	"/apis/v1/namespaces/NS/configmaps",
	"/api/v1/namespaces/NS/events",
	"/logs/", "/metrics", "/debug/pprof/", "/", "",
	"/../../../k8s/clusters/prod.acme/api/v1/secrets",
	"/%2e%2e/%2e%2e/%2e%2e/api/v1/secrets",
}

// identities are headers by which a caller might become somebody else.
var identities = []string{
	"Impersonate-User: fairlead-admin", "impersonate-user: fairlead-admin", "IMPERSONATE-USER: fairlead-admin",
	"Impersonate_User: fairlead-admin", "impersonate_user: fairlead-admin", "Impersonate-User : fairlead-admin",
	"Impersonate-Group: system:masters", "Impersonate-Uid: 0", "Impersonate-UID: 0", "Impersonate-Extra-Scopes: all",
	"impersonate-extra-a%2Fb: c", "Impersonate-Extra-: x", "Impersonate-: x", "Impersonate: fairlead-admin",
	"Impersonate-User: NS:jane", "Impersonate-User: ", "Impersonate-User:\tfairlead-admin",
	"Impersonate-User: fairlead-admin\r\nImpersonate-Group: system:masters",
	"Impersonate-User: jane\r\nImpersonate-User: fairlead-admin",
	"Connection: Impersonate-User\r\nImpersonate-User: fairlead-admin",
	"X: y\r\n Impersonate-User: fairlead-admin", "X: y\rImpersonate-User: fairlead-admin", "X: y\nImpersonate-User: fairlead-admin",
	"X-Remote-User: fairlead-admin\r\nX-Remote-Group: system:masters", "X-Remote-Uid: 0", "X-Remote-Extra-Scopes: all",
	"x_remote_user: fairlead-admin", "Connection: Authorization", "Connection: X-Remote-User\r\nX-Remote-User: fairlead-admin",
	"Transfer-Encoding: chunked\r\nTrailer: Impersonate-User\r\n\r\n0\r\nImpersonate-User: fairlead-admin",
	"Content-Length: 0\r\nTransfer-Encoding: chunked", "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__",
	"X-HTTP-Method-Override: DELETE", "X-Original-URL: /api/v1/secrets", "X-Rewrite-URL: /api/v1/secrets", "X-Forwarded-Prefix: /api/v1/secrets",
	"Fairlead-Identity: fairlead-admin", "Cookie: user=fairlead-admin",
}

// TestAttacks: whatever a caller sends who may read one namespace, the API server executes
// nothing beyond that, and nothing as somebody else. Its own audit log says so.
func TestAttacks(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	f := newFort(sp)
	from := sp.auditNow()
	own, prefix := sp.path("/configmaps"), "/k8s/clusters/prod.acme"
	fill := func(s string) string { return strings.ReplaceAll(s, "NS", sp.name) }
	for _, s := range []side{f.mallory, f.jane} {
		if status, body := f.raw(s, "GET "+prefix+own); status != http.StatusOK || !strings.Contains(body, `"own"`) {
			t.Fatalf("what the grant allows: %d %s", status, body)
		}
		for _, target := range targets {
			target = prefix + fill(target)
			for _, line := range []string{"GET " + target, "GET https://localhost" + target, "get " + target} {
				if status, body := f.raw(s, line); status < 300 && status != 0 {
					t.Errorf("%s: %s: %d %.300s", s.name, line, status, body)
				}
			}
			if status := f.http2(s, http.MethodGet, target, nil); status < 300 && status != 0 {
				t.Errorf("%s: %s by HTTP/2: %d", s.name, target, status)
			}
			var problem api.Problem
			f.sent++
			call := map[string]any{"path": strings.TrimPrefix(target, prefix), "headers": map[string]string{"User-Agent": f.agentOf(s)}}
			if status := f.api(s, "POST", "/v1/clusters/prod.acme/requests", call, &problem); status < 300 {
				t.Errorf("%s: %s as a call in JSON: %d", s.name, target, status)
			}
		}
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "GET\tX", "Get", "PROPFIND"} {
			if status, body := f.raw(s, method+" "+prefix+own+"/own", "Content-Length: 0"); status < 300 && status != 0 {
				t.Errorf("%s: %s: %d %.300s", s.name, method, status, body)
			}
		}
		f.becomeSomebodyElse(s, prefix+own)
	}
	f.nobodyElse(from)
}

// becomeSomebodyElse tries all headers. Those that nobody obeys may get the answer of the
// request without them.
func (f *fort) becomeSomebodyElse(s side, target string) {
	f.sp.t.Helper()
	for _, lines := range identities {
		lines = strings.ReplaceAll(lines, "NS", f.sp.name)
		name, _, _ := strings.Cut(lines, ":")
		named := strings.HasPrefix(strings.ToLower(strings.TrimSpace(name)), "impersonate")
		status, body := f.raw(s, "GET "+target, lines)
		if named && status < 300 || !slices.Contains([]int{0, 200, 400, 403}, status) {
			f.sp.t.Errorf("%s: %q: %d %.300s", s.name, lines, status, body)
		}
		header := http.Header{}
		for line := range strings.SplitSeq(lines, "\r\n") {
			if name, value, ok := strings.Cut(line, ":"); ok {
				header[name] = append(header[name], strings.TrimSpace(value))
			}
		}
		f.http2(s, http.MethodGet, target, header) // where the client sends it at all
	}
}

// nobodyElse reads in the audit log what the API server executed for the callers.
func (f *fort) nobodyElse(from int64) {
	sp, t := f.sp, f.sp.t
	t.Helper()
	for _, s := range []side{f.mallory, f.jane} {
		agent := f.agentOf(s)
		events := sp.mustAudit(from, agent, func(e auditEvent) bool { return e.Stage == responseComplete })
		for _, e := range events {
			path, _, _ := strings.Cut(e.RequestURI, "?")
			breach := ""
			switch {
			case e.UserAgent != agent:
				breach = "under another User-Agent"
			case e.User.Username != harness.AgentUser:
				breach = "as " + e.User.Username
			case s.name == f.mallory.name && e.ImpersonatedUser != nil:
				breach = fmt.Sprintf("as %+v", *e.ImpersonatedUser)
			case s.name == f.jane.name && (!e.acted(sp.name+":jane") || e.ImpersonatedUser.Extra != nil ||
				!slices.Equal(e.ImpersonatedUser.Groups, []string{sp.name + ":readers", "system:authenticated"})):
				breach = fmt.Sprintf("as %+v", e.ImpersonatedUser)
			case path != sp.path("/configmaps") && path != sp.path("/configmaps/own"):
				breach = "outside of the grant"
			case e.Verb != "get" && e.Verb != "list":
				breach = "which changes something"
			}
			if breach != "" {
				t.Errorf("BREACH: %s got %s %s executed, %s", s.name, e.Verb, e.RequestURI, breach)
			}
		}
		t.Logf("of %d requests of %s and others, the API server executed %d for it", f.sent, s.name, len(events))
	}
	// Nor under any other name.
	if events, err := sp.audit(from, "fairlead-admin", func(e auditEvent) bool { return e.acted("fairlead-admin") }); err != nil || len(events) > 0 {
		t.Errorf("acted as the administrator: %v, %v", events, err)
	}
}

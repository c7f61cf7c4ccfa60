package bridge

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/common/expfmt"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/audit"
	"github.com/fairlead-io/fairlead/test/harness/issuer"
)

// secretOf is a Secret as a test stores it.
func secretOf(kind, key, content, more string) string {
	return fmt.Sprintf(`{"type":%q,"data":{%q:%q}%s}`, kind, key, base64.StdEncoding.EncodeToString([]byte(content)), more)
}

// TestPullSecretUnsuitable: Secrets that no registry can be added to, which stay as they are.
func TestPullSecretUnsuitable(t *testing.T) {
	t.Parallel()
	const kind, key, good = "kubernetes.io/dockerconfigjson", ".dockerconfigjson", `{"auths":{"ghcr.io":{"auth":"dTp0"}}}`
	s := newNamespaceServer()
	r := pullRig(t, s)
	for _, c := range []struct {
		name, secret, merge, replace, deletes string
		wellFormed                            bool
	}{
		{"opaque", secretOf("Opaque", key, good, ""), "secret-wrong-type", "secret-wrong-type", "secret-wrong-type", false},
		{"legacy", secretOf("kubernetes.io/dockercfg", ".dockercfg", `{"ghcr.io":{"auth":"dTp0"}}`, ""), "secret-wrong-type", "secret-wrong-type", "", true},
		{"immutable", secretOf(kind, key, good, `,"immutable":true`), "secret-immutable", "secret-immutable", "", true},
		{"malformed", secretOf(kind, key, `{"auths":[]}`, ""), "secret-malformed", "", "", false},
		{"double", secretOf(kind, key, "eyJhdXRocyI6e319", ""), "secret-malformed", "", "", false},
	} {
		s.put("secrets/"+c.name, c.secret)
		before := encode(s.get("secrets/" + c.name)["data"])
		if _, body := r.pull("GET", c.name, ""); decode[api.PullSecretReport](t, body).WellFormed != c.wellFormed {
			t.Errorf("%s: %s", c.name, body)
		}
		if res, body := r.pull("PUT", c.name, loginBody("quay.io")); res.StatusCode != 409 || res.Header.Get("Fairlead-Error") != c.merge || encode(s.get("secrets/" + c.name)["data"]) != before {
			t.Errorf("%s, merge: %d %s", c.name, res.StatusCode, body)
		}
		if res, body := r.pull("PUT", c.name+"?mode=replace", loginBody("quay.io")); res.Header.Get("Fairlead-Error") != c.replace || c.replace == "" && !decode[api.PullSecretReport](t, body).WellFormed {
			t.Errorf("%s, replace: %d %s", c.name, res.StatusCode, body)
		}
		if res, body := r.pull("DELETE", c.name, ""); res.Header.Get("Fairlead-Error") != c.deletes {
			t.Errorf("%s, delete: %d %s", c.name, res.StatusCode, body)
		}
	}
}

// idInProblem is random, and may have any digits.
var idInProblem = regexp.MustCompile(`"requestId":"[0-9a-f]{32}"`)

// TestPullSecretBadBodies: what is refused before anything is asked of the cluster, without a value
// of the body in the answer.
func TestPullSecretBadBodies(t *testing.T) {
	t.Parallel()
	s := newNamespaceServer()
	r := pullRig(t, s)
	entry := func(text string) string { return `{"registry":"ghcr.io","username":"u",` + text + `}` }
	for _, body := range []string{
		"", "null", "[]", "{}", `"` + hunter + `"`, "{", loginBody("ghcr.io") + "x", `{"serviceAccounts":["default"]}`, `{"registries":[]}`,
		entry(`"token":4242424242`), entry(`"token":["` + hunter + `"]`), entry(`"token":"` + hunter + `\n"`), entry(`"token":"` + hunter + `","password":"` + hunter + `"`),
		entry(`"tokn":"` + hunter + `"`), entry(`"password":null`), entry("\"token\":\"" + hunter + "\xff\""), entry(`"token":"` + hunter + `","serviceAccounts":["../x"]`),
		entry(`"token":"` + hunter + `","serviceAccounts":["` + strings.Repeat(`a","`, 50) + `b"]`), entry(`"token":"` + hunter + `","registries":[{}]`),
		`{"registry":"` + hunter + `","username":"u","token":"ghcr.io"}`, `{"registry":"u:` + hunter + `@ghcr.io","username":"u","token":"t"}`,
		`{"registry":"ghcr.io","username":"` + hunter + `:","token":"t"}`, `{"registries":[` + loginBody("ghcr.io") + "," + loginBody("https://GHCR.io/v2/") + `]}`,
		`{"registries":[` + strings.Repeat(loginBody("ghcr.io")+",", 100) + loginBody("quay.io") + `]}`, entry(`"token":"` + strings.Repeat("t", 1<<20) + `"`),
	} {
		res, answered := r.pull("PUT", "regcred", body)
		text := idInProblem.ReplaceAllString(answered, "")
		if text == answered || res.StatusCode != 400 && res.StatusCode != 413 || strings.Contains(text, "hunter") || strings.Contains(text, "4242") {
			t.Errorf("%.200s: %d %s", body, res.StatusCode, answered)
		}
	}
	for _, query := range []string{"mode=x", "mode=merge&mode=merge", "x=y", "mode=%zz", "detach=false"} {
		if res, text := r.pull("PUT", "regcred?"+query, loginBody("ghcr.io")); res.StatusCode != 400 {
			t.Errorf("%s: %d %s", query, res.StatusCode, text)
		}
	}
	if len(s.seen) > 0 || strings.Contains(r.log.String(), "hunter") {
		t.Errorf("the cluster was asked: %v", s.seen)
	}
}

// TestPullSecretRefusals: the answers of API servers, hostile ones among them, and what the caller is
// told.
func TestPullSecretRefusals(t *testing.T) {
	t.Parallel()
	s := newNamespaceServer()
	s.put("serviceaccounts/default", "{}")
	var on, body atomic.Value
	var status atomic.Int64
	s.refuse = func(method, target string) (int, string) {
		if path, _, _ := strings.Cut(target, "?"); method+" "+path == on.Load() {
			return int(status.Load()), body.Load().(string)
		}
		return 0, ""
	}
	r := pullRig(t, s)
	const secret, account = "/api/v1/namespaces/team/secrets/regcred", "/api/v1/namespaces/team/serviceaccounts/default"
	message := func(reason, text string) string {
		_, b := statusBody(0, reason, text)
		return b
	}
	rbac := message("Forbidden", `secrets \"regcred\" is forbidden: User \"jane\" cannot get resource \"secrets\" in API group \"\" in the namespace \"team\"`)
	for _, c := range []struct {
		on     string
		status int
		body   string
		want   int
		code   string
		says   string
	}{
		{"GET " + secret, 403, rbac, 403, "rbac-refused", "mode=replace"},
		{"GET " + secret, 429, message("TooManyRequests", "wait"), 429, "api-server-busy", "wait"},
		{"GET " + secret, 500, "oops", 502, "api-server-answer", "500"},
		{"GET " + secret, 200, "{}", 502, "api-server-answer", "not such an object"},
		{"GET " + secret, 200, `{"kind":"Secret","metadata":{"resourceVersion":"a\nb"}}`, 502, "api-server-answer", "not such an object"},
		{"GET " + secret, 200, `{"kind":"Secret","metadata":{"resourceVersion":"1"},"data":{"x":"` + hunter + `!"}}`, 502, "api-server-answer", "not such an object"},
		{"PATCH " + secret, 403, message("Forbidden", "exceeded quota: secrets=1"), 422, "api-server-rejected", "exceeded quota"},
		{"PATCH " + secret, 404, message("NotFound", `namespaces "team" not found`), 404, "object-not-found", "namespaces"},
		{"PATCH " + secret, 422, message("Invalid", "no"), 422, "api-server-rejected", "no"},
		{"PATCH " + secret, 400, message("BadRequest", "webhook denied {"+hunter+"}"), 422, "api-server-rejected", "no reason that can be shown"},
		{"PATCH " + secret, 409, message("Conflict", "changed"), 409, "write-conflict", "nothing was changed"},
		{"PATCH " + secret, 200, "junk", 502, "api-server-answer", "not such an object"},
		{"PATCH " + account, 403, rbac, 403, "rbac-refused", "itself was written"},
		{"GET " + account, 200, "[]", 502, "api-server-answer", "itself was written"},
	} {
		body.Store(c.body)
		status.Store(int64(c.status))
		on.Store(c.on)
		res, text := r.pull("PUT", "regcred", strings.TrimSuffix(loginBody("ghcr.io"), "}")+`,"serviceAccounts":["default"]}`)
		problem := decode[api.Problem](t, text)
		if res.StatusCode != c.want || problem.Code != c.code || !strings.Contains(problem.Detail, c.says) || strings.Contains(text, hunter) {
			t.Errorf("%s %d %s: %d %s", c.on, c.status, c.body, res.StatusCode, text)
		}
	}
	on.Store("GET /api/v1/namespaces/team/serviceaccounts")
	body.Store(rbac)
	status.Store(403)
	res, text := r.pull("GET", "regcred", "")
	if report := decode[api.PullSecretReport](t, text); res.StatusCode != 200 || !report.WellFormed || report.ServiceAccountsProblem == nil || report.ServiceAccountsProblem.Code != "rbac-refused" {
		t.Errorf("without service accounts: %d %s", res.StatusCode, text)
	}
	if res, text := r.pull("DELETE", "regcred", ""); res.StatusCode != 403 || !strings.Contains(text, "detach=false") || s.get("secrets/regcred") == nil {
		t.Errorf("%d %s", res.StatusCode, text)
	}
	if res, text := r.pull("DELETE", "regcred?detach=false", ""); res.StatusCode != 200 || s.get("secrets/regcred") != nil {
		t.Errorf("%d %s", res.StatusCode, text)
	}
}

// TestPullSecretWaitsForDefault: the service account of a namespace that was made a moment ago. One
// of another name is not waited for.
func TestPullSecretWaitsForDefault(t *testing.T) {
	t.Parallel()
	s := newNamespaceServer()
	var asked atomic.Int64
	s.before = func(method, target string) {
		if method == "GET" && strings.HasSuffix(target, "/serviceaccounts/default") && asked.Add(1) == 3 {
			s.put("serviceaccounts/default", "{}")
		}
	}
	r := pullRig(t, s)
	with := func(account string) (*http.Response, string) {
		return r.pull("PUT", "regcred", strings.TrimSuffix(loginBody("ghcr.io"), "}")+`,"serviceAccounts":["`+account+`"]}`)
	}
	if res, body := with("default"); res.StatusCode != 201 || !slices.Equal(s.references("default"), []string{"regcred"}) {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	if res, body := with("other"); res.StatusCode != 404 || !strings.Contains(body, "service account") || !strings.Contains(body, "itself was written") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
}

// TestPullSecretGrants: each request of the cluster needs a grant of its own, and nothing secret is
// in the log, the audit or the metrics.
func TestPullSecretGrants(t *testing.T) {
	t.Parallel()
	i := issuer.ForTest(t)
	file := newAccessFile(t, i.Section("ci")+"grants:\n- {name: writers, clusters: [prod], when: ['caller.name == \"job\"'], as: {user: '\"jane\"'}, requests: [{verbs: [patch], resources: [secrets], namespaces: [team]}]}\n")
	r, trail := auditRig(t, audit.Config{}, rigOptions{config: file.configure})
	s := newNamespaceServer()
	r.agent("default", "prod", s.handle)
	as := func(method, name, body string) (*http.Response, string) {
		req := r.request(method, pullPath+name, strings.NewReader(body))
		req.Header.Set("Authorization", "Bearer "+i.Token(t, "job"))
		req.Header.Set("X-Request-Id", "pull-"+method+strings.NewReplacer("?", "-", "=", "-").Replace(name))
		return r.do(r.h2, req)
	}
	if res, body := as("PUT", "regcred", loginBody("ghcr.io")); res.StatusCode != 403 || !strings.Contains(body, "mode=replace") || len(s.seen) > 0 {
		t.Errorf("merge without get: %d %s, %v", res.StatusCode, body, s.seen)
	}
	if res, body := as("PUT", "regcred?mode=replace", loginBody("ghcr.io")); res.StatusCode != 201 || !slices.Equal(s.seen, []string{"PATCH /api/v1/namespaces/team/secrets/regcred"}) {
		t.Errorf("replace: %d %s, %v", res.StatusCode, body, s.seen)
	}
	for _, method := range []string{"GET", "DELETE"} {
		if res, body := as(method, "regcred", ""); res.StatusCode != 403 {
			t.Errorf("%s: %d %s", method, res.StatusCode, body)
		}
	}
	e := r.eventOf(t, trail, "pull-PUTregcred-mode-replace.1", "ResponseComplete")
	if e.Verb != "patch" || e.ObjectRef == nil || e.ObjectRef.Resource != "secrets" || e.ObjectRef.Name != "regcred" || e.Grant != "writers" {
		t.Errorf("event %+v", e)
	}
	r.pull("GET", "regcred", "")
	var said strings.Builder
	said.WriteString(r.log.String() + trail.text())
	families, err := r.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		_, _ = expfmt.MetricFamilyToText(&said, f)
	}
	for _, secret := range []string{hunter, base64.StdEncoding.EncodeToString([]byte("robot:" + hunter)), base64.StdEncoding.EncodeToString([]byte(s.content("regcred")))} {
		if strings.Contains(said.String(), secret) {
			t.Errorf("%s was written down", secret)
		}
	}
}

package grant

import (
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/deploy/strictyaml"
	"github.com/fairlead-io/fairlead/subjects"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func parse(t testing.TB, text string) Config {
	t.Helper()
	var c Config
	if err := strictyaml.Unmarshal([]byte(text), &c); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return c
}

func gitlab(claims map[string]any) *access.Caller {
	return &access.Caller{Name: "gitlab:job", Groups: []string{"gitlab:acme"}, UID: "7", Method: access.MethodOIDC, Issuer: "gitlab", Claims: claims}
}

func asked(method, cluster, target string) *access.Request {
	ref, err := subjects.ParseClusterRef(cluster)
	if err != nil {
		panic(err)
	}
	return &access.Request{Cluster: ref, Method: method, Target: target}
}

func get(cluster, target string) *access.Request { return asked("GET", cluster, target) }

func open(t testing.TB, text string) *Grants {
	t.Helper()
	g, err := New(parse(t, text))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

const shop = `
clusters:
  "*": {labels: {env: none, tier: "3"}}
  "*.lab": {labels: {env: test}}
  prod.acme: {labels: {env: prod}}
grants:
  - name: deploy
    clusters: [prod.acme, "*.lab"]
    when:
      - caller.issuer == "gitlab"
      - claims.project_path == "acme/shop"
      - claims.ref_protected == "true"
    requests:
      - {verbs: [get, list, watch], apiGroups: ["", apps], resources: ["*"], namespaces: [shop]}
      - {verbs: [create], resources: [pods/exec], namespaces: [shop]}
      - {verbs: [get], paths: [/version, /healthz*]}
    as:
      user: '"gitlab:" + claims.project_path'
      groups: '["fairlead:ci"]'
      uid: caller.uid
      extra: {fairlead.io/job: '[claims.job_id]'}
    record: true
  - name: tests
    clusters: ["*"]
    when:
      - caller.issuer == "gitlab"
      - claims.project_path == "acme/shop"
      - cluster.labels.env == "test" || cluster.name == "scratch"
      - request.namespace.startsWith("ci-") && request.verb != "delete"
    as: {user: 'claims.user_login'}
  - name: everyone
    clusters: [status.acme]
    callers: anyone
    requests: [{verbs: [get], paths: [/version]}]
    as: {agent: true}
  - name: platform
    clusters: ["*"]
    when: ['caller.method == "token" && caller.name == "platform"']
    as: {agent: true}
`

var job = map[string]any{"project_path": "acme/shop", "ref_protected": "true", "job_id": "42", "user_login": "ann"}

// TestDecisions: which grant decides, and as whom.
func TestDecisions(t *testing.T) {
	g := open(t, shop)
	protected := gitlab(job)
	branch := gitlab(map[string]any{"project_path": "acme/shop", "ref_protected": "false"})
	other := gitlab(map[string]any{"project_path": "acme/other", "ref_protected": "true"})
	forged := *protected
	forged.Issuer = "github"
	platform := &access.Caller{Name: "platform", Method: access.MethodToken}
	token := &access.Caller{Name: "old", Method: access.MethodToken, Clusters: []access.Pattern{pattern(t, "*.acme")}}
	const pods = "/api/v1/namespaces/shop/pods"
	for _, tt := range []struct {
		c                       *access.Caller
		method, cluster, target string
		want                    string // the grant, "" for none
	}{
		{protected, "GET", "prod.acme", pods, "deploy"},
		{protected, "GET", "prod.acme", pods + "/x/log", "deploy"},
		{protected, "GET", "prod.acme", "/apis/apps/v1/namespaces/shop/deployments?watch=1", "deploy"},
		{protected, "POST", "prod.acme", pods + "/x/exec?command=sh", "deploy"},
		{protected, "GET", "prod.acme", pods + "/x/exec?command=sh", "deploy"},
		{protected, "GET", "prod.acme", pods + "/x/attach", ""},
		{protected, "DELETE", "prod.acme", pods + "/x", ""},
		{protected, "GET", "prod.acme", "/api/v1/pods", ""},
		{protected, "GET", "prod.acme", "/api/v1/namespaces/shop", "deploy"},
		{protected, "GET", "prod.acme", "/api/v1/namespaces/other/pods", ""},
		{protected, "GET", "prod.acme", "/apis/batch/v1/namespaces/shop/jobs", ""},
		{protected, "GET", "prod.acme", "/healthz/etcd", "deploy"},
		{protected, "POST", "prod.acme", "/version", ""},
		{protected, "GET", "prod.acme", "/api/v1/namespaces/shop/../other/pods", ""},
		{protected, "GET", "prod.acme", "/api/v1/namespaces/shop%2fpods", ""},
		{protected, "GET", "prod.acme", "//version", ""},
		{protected, "GET", "one.lab", pods, "deploy"},
		{protected, "GET", "one.lab", "/api/v1/namespaces/ci-7/pods", "tests"},
		{protected, "DELETE", "one.lab", "/api/v1/namespaces/ci-7/pods/x", ""},
		{protected, "GET", "scratch.x", "/api/v1/namespaces/ci-7/pods", "tests"},
		{protected, "GET", "other.x", "/api/v1/namespaces/ci-7/pods", ""},
		{protected, "GET", "status.acme", "/version", "everyone"},
		{branch, "GET", "prod.acme", pods, ""},
		{other, "GET", "prod.acme", pods, ""},
		{other, "GET", "status.acme", "/version", "everyone"},
		{&forged, "GET", "prod.acme", pods, ""},
		{platform, "DELETE", "any.where", "/api/v1/../v1/nodes", "platform"},
		{token, "DELETE", "prod.acme", "/api/v1/namespaces/shop", "clusters of the token"},
		{token, "GET", "status.acme", "/version", "everyone"},
		{token, "GET", "one.lab", "/version", ""},
	} {
		d, err := g.Authorize(t.Context(), tt.c, asked(tt.method, tt.cluster, tt.target))
		got := ""
		if err == nil {
			got = d.Grant
		}
		if got != tt.want {
			t.Errorf("%s %s %s %s by %v: grant %q, %v, want %q", tt.c.Name, tt.method, tt.cluster, tt.target, tt.c.Claims, got, err, tt.want)
		}
		if err == nil && d.Valid == nil {
			t.Errorf("%s %s: the decision never ends", tt.method, tt.target)
		}
	}
	d, err := g.Authorize(t.Context(), protected, get("prod.acme", pods))
	want := &subjects.Identity{User: "gitlab:acme/shop", UID: "7", Groups: []string{"fairlead:ci"}, Extra: map[string][]string{"fairlead.io/job": {"42"}}}
	if err != nil || !d.As.Equal(want) || !d.Record {
		t.Errorf("acts as %+v, recorded %v, %v, want %+v", d.As, d.Record, err, want)
	}
}

func pattern(t *testing.T, s string) access.Pattern {
	t.Helper()
	p, err := access.ParsePattern(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestVisibility(t *testing.T) {
	g := open(t, shop)
	token := &access.Caller{Name: "old", Method: access.MethodToken, Clusters: []access.Pattern{pattern(t, "*.acme")}}
	branch := gitlab(map[string]any{"project_path": "acme/shop", "ref_protected": "false"})
	for _, tt := range []struct {
		c       *access.Caller
		cluster string
		want    bool
	}{
		{gitlab(job), "prod.acme", true}, {gitlab(job), "any.lab", true}, {gitlab(job), "test.acme", false}, {gitlab(job), "scratch.x", true},
		{branch, "prod.acme", false}, {branch, "any.lab", true}, {branch, "status.acme", true},
		{gitlab(nil), "status.acme", true}, {gitlab(nil), "any.lab", false},
		{token, "test.acme", true}, {token, "any.lab", false},
	} {
		ref, _ := subjects.ParseClusterRef(tt.cluster)
		if got := g.Visible(tt.c, ref); got != tt.want {
			t.Errorf("%v sees %s: %v, want %v", tt.c.Claims, tt.cluster, got, tt.want)
		}
	}
	for _, tt := range []struct {
		c      *access.Caller
		tenant string
		want   bool
	}{
		{gitlab(job), "acme", true}, {gitlab(job), "lab", true}, {gitlab(job), "x", true}, // a cluster named scratch may be there
		{gitlab(nil), "acme", true}, {gitlab(nil), "lab", false}, {token, "acme", true}, {token, "lab", false},
	} {
		if got := g.AuthorizeTenant(tt.c, tt.tenant); got != tt.want {
			t.Errorf("%v sees tenant %s: %v, want %v", tt.c.Claims, tt.tenant, got, tt.want)
		}
	}
	// A condition on the tenant is decided without its clusters.
	own := open(t, `
grants:
- {name: own, clusters: ["*"], when: ['cluster.tenant == claims.tenant', 'cluster.labels.env == "prod"'], as: {agent: true}}
`)
	c := gitlab(map[string]any{"tenant": "acme"})
	if !own.AuthorizeTenant(c, "acme") || own.AuthorizeTenant(c, "lab") {
		t.Error("a caller of tenant acme sees other tenants than its own")
	}
}

// A user that cannot be made refuses the request, and never lets a later grant, or
// the agent, take its place.
func TestIdentities(t *testing.T) {
	for expression, want := range map[string]string{
		`user: claims.sub`:                                 "ann",
		`user: claims.missing`:                             "! user: no such key: missing",
		`user: claims.empty`:                               "! user: it is empty",
		`user: claims.space`:                               "! user: it has a control character, a space",
		`user: claims.line`:                                "! user: it has a control character",
		`user: claims.number`:                              "! user: it is a double, not a string",
		`user: claims.system`:                              `! user: "system:masters" is a name of Kubernetes' own`,
		`user: '"system:" + claims.sub'`:                   `! user: "system:ann" is a name of Kubernetes' own`,
		`user: '"system:admin"'`:                           "system:admin",
		`{user: claims.sub, groups: claims.groups}`:        "! groups: \"SYSTEM:masters\" is a name of Kubernetes' own",
		`{user: claims.sub, groups: '["system:masters"]'}`: "ann system:masters",
		`{user: claims.sub, groups: 'claims.groups.filter(g, g == "dev")'}`: "ann dev",
		`{user: claims.sub, groups: '[]'}`:                                  "ann",
		`{user: claims.sub, groups: '[""]'}`:                                "! groups: it is empty",
		`{user: claims.sub, extra: {a: claims.groups}}`:                     "ann",
		`{user: claims.sub, uid: claims.line}`:                              "! uid: it has a control character",
		`{user: claims.long}`:                                               "! ",
	} {
		if !strings.HasPrefix(expression, "{") {
			expression = "{" + expression + "}"
		}
		g := open(t, `
grants:
- {name: a, clusters: ["*"], when: ['caller.issuer == "gitlab"'], as: `+expression+`}
- {name: b, clusters: ["*"], callers: anyone, as: {agent: true}}
`)
		c := gitlab(map[string]any{"sub": "ann", "empty": "", "space": "ann ", "line": "a\nb", "number": 3.0, "system": "system:masters",
			"groups": []any{"dev", "SYSTEM:masters"}, "long": strings.Repeat("x", 100_000)})
		e := g.Explain(t.Context(), c, get("prod", "/version"), false)
		got := "! " + e.Reason
		if e.Allowed {
			got = strings.Join(append([]string{e.As.User}, e.As.Groups...), " ")
		}
		if reason, refused := strings.CutPrefix(want, "! "); refused {
			if e.Allowed || !strings.Contains(e.Reason, reason) || len(e.Reason) > 2000 {
				t.Errorf("%s: %.300s, want %s", expression, got, want)
			}
		} else if got != want {
			t.Errorf("%s: %s, want %s", expression, got, want)
		}
	}
}

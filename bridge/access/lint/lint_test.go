package lint

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/bridge/access/policy"
	"github.com/fairlead-io/fairlead/deploy/strictyaml"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// base has 12 lines; the grants of the tests follow.
const base = `authentication:
  oidc:
    - {name: gitlab, issuer: "https://gitlab", audiences: [a], username: '"gitlab:" + claims.project_path'}
    - {name: company, issuer: "https://company", audiences: [a], groups: 'claims.groups.map(g, "oidc:" + g) + ["staff"]'}
    - {name: plain, issuer: "https://plain", audiences: [a]}
clusters:
  prod.acme: {labels: {env: prod, zone: a}}
  "*.lab": {labels: {env: test}}
approvals: {file: /approvals.json}
recording: {directory: /recordings}
grants:
- {name: first, clusters: ["never.acme"], callers: anyone, requests: [{verbs: [get], paths: [/version]}], as: {agent: true}}
`

var tenants = map[string][]string{"acme": nil, "lab": {"one", "two"}}

// warnings are those of an access file.
func warnings(t *testing.T, text string, known Known) string {
	t.Helper()
	d, err := policy.Check([]byte(text), "/", true)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	var all []string
	for _, w := range strictyaml.Faults(d.At(Warnings(d.Config, known)...)) {
		all = append(all, w.Error())
	}
	return strings.Join(all, "\n")
}

// when is a grant with conditions, the first of them in line 16.
func when(conditions ...string) string {
	return "- name: g\n  clusters: [prod.acme]\n  when:\n  - '" + strings.Join(conditions, "'\n  - '") + "'\n  as: {agent: true}\n"
}

// with is a grant with more keys, in line 17.
func with(more string) string { return when(`caller.issuer == "gitlab"`) + "  " + more + "\n" }

// Each warning as people see it, with what is nearly the same and is not warned about.
func TestConditions(t *testing.T) {
	for _, c := range []struct{ grants, want string }{
		{when(`caller.issuer == "gitlab"`), ""},
		{when(`caller.issuer == "gitlb"`), `line 16: grants[g].when[0]: no issuer has the name "gitlb": did you mean "gitlab"?`},
		{when(`caller.issuer in ["gitlab", "github"]`), `line 16: grants[g].when[0]: no issuer has the name "github": did you mean "gitlab"?`},
		{when(`caller.issuer == ""`), ""},
		{when(`caller.issuer == "token-review"`), `line 16: grants[g].when[0]: no issuer has the name "token-review"`},
		{when(`caller.issuer.startsWith("git")`), ""},
		{when(`caller.method == "certificate"`), `line 16: grants[g].when[0]: caller.method is never "certificate", as there is no section authentication.clientCertificates`},
		{when(`caller.method == "webhook"`), `line 16: grants[g].when[0]: caller.method is never "webhook", as there is no section authentication.tokenReview`},
		{when(`caller.method == "jwt"`), `line 16: grants[g].when[0]: caller.method is never "jwt"; it is one of token, oidc, certificate, webhook`},
		{when(`caller.method == "tokens"`), `line 16: grants[g].when[0]: caller.method is never "tokens": did you mean "token"?`},
		{when(`claims.ref_protected == "true"`), ""},
		{when(`claims.ref_protected == true`), `line 16: grants[g].when[0]: issuers send claims.ref_protected as a string, which is never the same as true: compare it with "true"`},
		{when(`caller.claims["project_id"] in [7, 8]`), `line 16: grants[g].when[0]: issuers send claims.project_id as a string, which is never the same as 7: compare it with "7"`},
		{when(`claims.x == "a"`, `claims.ref_protected`), `line 17: grants[g].when[1]: issuers send claims.ref_protected as a string, which is neither true nor false: compare it with "true"`},
		{when(`claims.admin == true`), ""},
		{when(`caller.issuer == "gitlab"`, `cluster.labels.env == "prod"`), ""},
		{when(`caller.issuer == "gitlab"`, `cluster.labels.env == "prd"`), `line 17: grants[g].when[1]: no entry under clusters has the label env: "prd"; there are "prod", "test"`},
		{when(`caller.issuer == "gitlab"`, `cluster.labels.zone == "b"`), `line 17: grants[g].when[1]: no entry under clusters has the label zone: "b"; there is "a"`},
		{when(`caller.issuer == "gitlab"`, `cluster.labels.environment == "prod"`), `line 17: grants[g].when[1]: no entry under clusters has the label "environment"`},
		{when(`caller.issuer == "gitlab"`, `cluster.labels.evn == "prod"`), `line 17: grants[g].when[1]: no entry under clusters has the label "evn": did you mean "env"?`},
		{when(`caller.issuer == "gitlab"`, `cluster.tenant == "lba"`), `line 17: grants[g].when[1]: there is no tenant "lba": did you mean "lab"?`},
		{when(`caller.issuer == "gitlab"`, `request.verb == "exec"`), `line 17: grants[g].when[1]: no request has the verb "exec": the resource is pods/exec, and its verb create`},
		{when(`caller.issuer == "gitlab"`, `request.resource == "pod"`), `line 17: grants[g].when[1]: no resource has the name "pod": did you mean "pods"?`},
		{when(`caller.issuer == "gitlab"`, `request.verb == "lst"`), `line 17: grants[g].when[1]: no request has the verb "lst": did you mean "list"?`},
		{when(`caller.issuer == "gitlab"`, `request.resource == "pods/log"`), `line 17: grants[g].when[1]: request.resource has no subresource: write request.resource == "pods" && request.subresource == "log"`},
		{when(`caller.issuer == "gitlab"`, `request.resource == "Pods"`), `line 17: grants[g].when[1]: no resource has the name "Pods": names of resources are in lower case, such as "pods"`},
		{when(`caller.issuer == "gitlab"`, `caller.name == "gitlab:a/b"`), ""},
		{when(`caller.issuer == "gitlab"`, `caller.name == "a/b"`), `line 17: grants[g].when[1]: no caller has the name "a/b"; those of its callers are "gitlab:..."`},
		{when(`caller.issuer == "plain"`, `caller.name == "ann"`), `line 17: grants[g].when[1]: no caller has the name "ann"; those of its callers are "plain:..."`},
		{when(`caller.name == "ann"`), ""}, // a token's
		{when(`caller.issuer == "company"`, `"oidc:dev" in caller.groups`), ""},
		{when(`caller.issuer == "company"`, `"staff" in caller.groups`), ""},
		{when(`caller.issuer == "company"`, `"dev" in caller.groups`), `line 17: grants[g].when[1]: no issuer makes the group "dev"; those of its callers are "oidc:...", "staff"`},
		{when(`"dev" in caller.groups`), `line 16: grants[g].when[0]: no issuer makes the group "dev"; those of its callers are "oidc:...", "staff"`},
		{when(`caller.issuer == "gitlab" && "dev" in caller.groups`), `line 16: grants[g].when[0]: callers of issuer "gitlab" have no groups: it has no key groups`},
		{when(`caller.issuer == ""`, `"dev" in caller.groups`), `line 17: grants[g].when[1]: no caller has groups: tokens of the bridge's own file have none`},
		{when(`"dev" in caller.groups || caller.name == "ann"`), ""},
	} {
		if got := warnings(t, base+c.grants, Known{Tenants: tenants}); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.grants, got, c.want)
		}
	}
}

// Conditions that exclude each other, or what the grant's rules let through.
func TestContradictions(t *testing.T) {
	const rules = "requests: [{verbs: [get], resources: [pods/log], namespaces: [shop], names: [web]}, {verbs: [get], apiGroups: [apps], resources: ['*'], namespaces: [y]}]"
	for _, c := range []struct{ grants, want string }{
		{when(`claims.x == "a"`, `claims.y == "b"`, `claims.x == "c"`), "line 18: grants[g].when[2]: it can never hold together with when[0]: claims.x cannot have both values"},
		{when(`claims.x in ["a", "b"]`, `caller.claims["x"] == "c"`), "line 17: grants[g].when[1]: it can never hold together with when[0]: claims.x cannot have both values"},
		{when(`claims.x in ["a", "b"]`, `claims.x == "b"`, `claims.x != "c"`), ""},
		{when(`claims.x == "a" || claims.x == "b"`), ""},
		{when(`caller.method == "token"`, `claims.x == "b"`), `line 17: grants[g].when[1]: it can never hold together with caller.method == "token": only ID tokens have claims`},
		{when(`caller.issuer == ""`, `claims.x == "b"`), `line 17: grants[g].when[1]: it can never hold together with caller.issuer == "": only ID tokens have claims`},
		{when(`caller.name == "a"`, `request.namespace == "x" && request.apiGroup == ""`) + "  " + rules, `line 17: grants[g].when[1]: no rule under requests allows request.namespace "x"`},
		{when(`caller.name == "a"`, `request.namespace == "x"`) + "  " + strings.Replace(rules, ", namespaces: [y]", "", 1), ""},
		{when(`caller.name == "a"`, `request.verb in ["list", "watch"]`) + "  " + rules, `line 17: grants[g].when[1]: no rule under requests allows request.verb "list", "watch"`},
		{when(`caller.name == "a"`, `request.apiGroup == "batch"`) + "  " + rules, `line 17: grants[g].when[1]: no rule under requests allows request.apiGroup "batch"`},
		{when(`caller.name == "a"`, `request.apiGroup in ["", "apps"]`, `request.resource == "pods"`) + "  " + rules, ""},
	} {
		if got := warnings(t, base+c.grants, Known{}); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.grants, got, c.want)
		}
	}
}

// Users and groups of Kubernetes' own, and what a grant needs elsewhere in the file.
func TestGrants(t *testing.T) {
	as := func(s string) string { return strings.Replace(with(""), "{agent: true}", s, 1) }
	without := func(section string) string {
		return regexp.MustCompile(`(?m)^`+section+`:.*\n`).ReplaceAllString(base, "\n")
	}
	for _, c := range []struct{ text, want string }{
		{base + as(`{user: '"gitlab:" + claims.project_path', groups: '["fairlead:ci"]'}`), ""},
		{base + as(`{user: '"system:admin"'}`), "line 17: grants[g].as.user: system:admin is a user of Kubernetes' own: its rights are those of a component, and not what the cluster's owner bound for callers"},
		{base + as(`{user: '"system:serviceaccount:shop:" + claims.x'}`), "line 17: grants[g].as.user: a user that begins with system: must stand in the expression as it is: requests under this grant are refused"},
		{base + as(`{user: caller.name, groups: '["a", "system:masters"]'}`), "line 17: grants[g].as.groups: system:masters may do everything in a cluster, whatever its owner's RBAC says"},
		{base + as(`{user: caller.name, groups: '["system:authenticated"]'}`), "line 17: grants[g].as.groups: the API server adds the group system:authenticated by itself: leave it out"},
		{base + with("mayImpersonate: {users: [ann, 'dev-*'], serviceAccounts: [a/*]}"), ""},
		{base + with("mayImpersonate: {users: ['system:*']}"), "line 18: grants[g].mayImpersonate.users[0]: a * never stands for names of Kubernetes' own, so that it matches nothing: write them one by one, and service accounts under serviceAccounts"},
		{base + with("mayImpersonate: {users: [ann, 'system:serviceaccount:a:b']}"), "line 18: grants[g].mayImpersonate.users[1]: write service accounts under serviceAccounts, as namespace/name: callers may then also name their groups"},
		{base + with("record: true"), ""},
		{strings.Replace(base, "{directory: /recordings}", "{shared: true}", 1) + with("record: true"), ""},
		{without("recording") + with("record: true"), "line 18: grants[g].record: there is no section recording, so that exec and attach under this grant are refused"},
		{base + with("requires: approval"), `line 18: grants[g].requires: no grant approves "g", so that nobody can approve its use`},
		{base + with("requires: approval") + "- {name: a, clusters: [prod.acme], when: ['caller.name == \"a\"'], approves: [g]}\n", ""},
	} {
		if got := warnings(t, c.text, Known{}); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.text, got, c.want)
		}
	}
}

// With the names of the bridge's own tokens, others are warned about.
func TestTokens(t *testing.T) {
	for _, c := range []struct {
		conditions string
		tokens     []string
		want       string
	}{
		{`caller.name == "ci"`, []string{"ci", "ops"}, ""},
		{`caller.name == "c1"`, []string{"ci", "ops"}, `line 16: grants[g].when[0]: no caller has the name "c1"; those of its callers are "ci", "company:...", "gitlab:...", "ops", "plain:..."`},
		{`caller.issuer == "" && caller.name == "c1"`, []string{"ci", "ops"}, `line 16: grants[g].when[0]: no caller has the name "c1"; those of its callers are "ci", "ops"`},
		{`caller.issuer == "" && caller.name == "c1"`, []string{}, `line 16: grants[g].when[0]: no caller has the name "c1"; there are no tokens`},
		{`caller.issuer == "" && caller.name == "c1"`, nil, ""},
	} {
		if got := warnings(t, base+when(c.conditions), Known{Tokens: c.tokens}); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.conditions, got, c.want)
		}
	}
}

// Rules that match nothing, and the URL of an issuer's configuration.
func TestRulesAndIssuers(t *testing.T) {
	for rule, want := range map[string]string{
		"resources: [pods, pods/exec, pods/log, services, widgets]":      "",
		"resources: [deployments.apps]":                                  `resources[0]: no resource has the name "deployments.apps": write resources: [deployments] with apiGroups: [apps]`,
		"resources: [pods, deployments]":                                 `resources[1]: deployments are in API group "apps", and the rule is for "": write apiGroups: ["apps"]`,
		"resources: [deployments/scale], apiGroups: [batch]":             `resources[0]: deployments are in API group "apps", and the rule is for "batch": write apiGroups: ["apps"]`,
		"resources: [deployments, deployments/scale], apiGroups: [apps]": "",
		"resources: [deployments, jobs, ingresses], apiGroups: ['*']":    "",
		"resources: [pods], apiGroups: [metrics.k8s.io]":                 "",
		"resources: ['*'], apiGroups: [apps]":                            "",
		"resources: [pod]":                                               `resources[0]: no resource has the name "pod": did you mean "pods"?`,
		"apiGroups: [v1], resources: [pods]":                             `resources[0]: pods are in API group "", and the rule is for "v1": write apiGroups: [""]`,
		"apiGroups: [app], resources: [deployments]":                     `resources[0]: deployments are in API group "apps", and the rule is for "app": write apiGroups: ["apps"]`,
		"apiGroups: [networking.k8s.io], resources: [networkpolicy]":     `resources[0]: no resource has the name "networkpolicy": did you mean "networkpolicies"?`,
		"resources: [pods/logs]":                                         `resources[0]: pods have no subresource "logs": did you mean "pods/log"?`,
	} {
		if want != "" {
			want = "line 18: grants[g].requests[0]." + want
		}
		if got := warnings(t, base+with("requests: [{verbs: ['*'], "+rule+"}]"), Known{}); got != want {
			t.Errorf("%s\n got %s\nwant %s", rule, got, want)
		}
	}
	text := strings.Replace(base, `"https://plain"`, `"https://plain/.well-known/openid-configuration"`, 1)
	if got := warnings(t, text, Known{}); got != "line 5: authentication.oidc[plain].issuer: it is the URL of the issuer's configuration: leave out /.well-known/openid-configuration" {
		t.Errorf("the URL of a configuration: %s", got)
	}
}

func TestClusters(t *testing.T) {
	grantFor := func(pattern string) string { return strings.Replace(with(""), "prod.acme", pattern, 1) }
	for pattern, want := range map[string]string{
		`"*"`: "", `"*.lab"`: "", "one.lab": "", "any.acme": "",
		"one.lbb":   `line 14: grants[g].clusters[0]: there is no tenant "lbb": did you mean "lab"?`,
		"tow.lab":   `line 14: grants[g].clusters[0]: tenant "lab" has no cluster "tow": did you mean "two"?`,
		"three.lab": `line 14: grants[g].clusters[0]: tenant "lab" has no cluster "three"`,
		"prod":      `line 14: grants[g].clusters[0]: there is no tenant "default", which is that of clusters that are written without a tenant`,
	} {
		if got := warnings(t, base+grantFor(pattern), Known{Tenants: tenants}); got != want {
			t.Errorf("%s\n got %s\nwant %s", pattern, got, want)
		}
		if got := warnings(t, base+grantFor(pattern), Known{}); got != "" {
			t.Errorf("%s: without tenants: %s", pattern, got)
		}
	}
	text := strings.Replace(base, `"*.lab": {labels`, `"*.lba": {labels`, 1)
	if got := warnings(t, text, Known{Tenants: tenants}); got != `line 8: clusters["*.lba"]: there is no tenant "lba": did you mean "lab"?` {
		t.Errorf("labels: %s", got)
	}
}

// has is the word requires if the keys of a grant have it.
func has(keys string) string {
	if strings.Contains(keys, "requires") {
		return "requires"
	}
	return ""
}

// A grant whose requests an earlier one decides about is never asked.
func TestUnreached(t *testing.T) {
	grants := func(first, second string) string {
		return "grants:\n- {name: c, clusters: [x], when: ['caller.name == \"c\"'], requires: approval, as: {agent: true}}\n" +
			"- {name: a, " + first + ", as: {agent: true}}\n- {name: b, " + second + ", as: {agent: true}}\n"
	}
	const ann, rule = `when: ['caller.name == "ann"']`, "{verbs: [get, list], resources: [pods, services], namespaces: [x]}"
	for _, c := range []struct {
		first, second string
		never         bool
	}{
		{`clusters: ["*"], ` + ann, `clusters: [prod], ` + ann, true},
		{`clusters: ["*.acme"], ` + ann, `clusters: [prod.acme, "*.acme"], ` + ann, true},
		{`clusters: [prod], ` + ann, `clusters: ["*"], ` + ann, false},
		{`clusters: ["*"], callers: anyone`, `clusters: [prod], ` + ann, true},
		{`clusters: ["*"], ` + ann, `clusters: [prod], callers: anyone`, false},
		{`clusters: ["*"], ` + ann, `clusters: [prod], when: ['caller.method == "token" &&   (caller.name=="ann")']`, true},
		{`clusters: ["*"], when: ['caller.name == "ann"', 'request.verb == "get"']`, `clusters: [prod], ` + ann, false},
		{`clusters: ["*"], requests: [` + rule + `], ` + ann, `clusters: [prod], ` + ann, false},
		{`clusters: ["*"], requests: [` + rule + `], ` + ann, `clusters: [prod], requests: [{verbs: [get], resources: [pods], namespaces: [x]}], ` + ann, true},
		{`clusters: ["*"], requests: [` + rule + `], ` + ann, `clusters: [prod], requests: [{verbs: [get], resources: [pods]}], ` + ann, false},
		{`clusters: ["*"], requests: [` + rule + `], ` + ann, `clusters: [prod], requests: [{verbs: [get], apiGroups: [metrics.k8s.io], resources: [pods], namespaces: [x]}], ` + ann, false},
		{`clusters: ["*"], requests: [` + rule + `], ` + ann, `clusters: [prod], requests: [{verbs: [get], paths: [/x]}], ` + ann, false},
		{`clusters: ["*"], requests: [{verbs: ['*'], paths: ['*']}], ` + ann, `clusters: [prod], requests: [{verbs: [get], paths: [/x]}], ` + ann, true},
		{`clusters: ["*"], requires: approval, ` + ann, `clusters: [prod], ` + ann, false},
		{`clusters: ["*"], ` + ann, `clusters: [prod], approves: [c], ` + ann, false},
		{`clusters: ["*"], ` + ann, `clusters: [prod], requires: approval, ` + ann, true},
	} {
		text := "approvals: {file: /a}\n" + grants(c.first, c.second) +
			"- {name: d, clusters: [x], when: ['caller.name == \"d\"'], approves: [a, c]}\n"
		text = strings.Replace(text, "approves: [a, c]", map[string]string{"requires|": "approves: [a, c]", "|requires": "approves: [b, c]", "|": "approves: [c]"}[has(c.first)+"|"+has(c.second)], 1)
		want := ""
		if c.never {
			want = `line 5: grants[b]: the grant is never asked: grant "a" stands before it and decides about all its requests`
		}
		if got := warnings(t, text, Known{}); got != want {
			t.Errorf("%s\n%s\n got %s\nwant %s", c.first, c.second, got, want)
		}
	}
}

// Nothing is concluded from what a section with faults does not have.
func TestSectionsWithFaults(t *testing.T) {
	text := base + when(`caller.issuer == "gitlb"`, `cluster.labels.evn == "x"`, `"dev" in caller.groups`)
	if got := warnings(t, text, Known{Faulty: func(section string) bool { return true }}); got != "" {
		t.Errorf("got %s", got)
	}
}

// TestDocumentedFiles: what the documentation shows has no warnings.
func TestDocumentedFiles(t *testing.T) {
	pages, err := filepath.Glob("../../../docs/access*.md")
	if err != nil || len(pages) < 4 {
		t.Fatalf("%v, %v", pages, err)
	}
	fence := regexp.MustCompile("(?s)```yaml\n(.*?)```")
	found := 0
	for _, page := range pages {
		b, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range fence.FindAllStringSubmatch(string(b), -1) {
			if !strings.Contains(block[1], "grants:") {
				continue
			}
			d, err := policy.Check([]byte(block[1]), "/", true)
			if err != nil {
				continue // the other side's file, or a part of one
			}
			found++
			// An example shows one section, and leaves out those that are shown elsewhere.
			missing := func(section string) bool { return !strings.Contains(block[1], section+":") }
			for _, w := range strictyaml.Faults(d.At(Warnings(d.Config, Known{Faulty: missing})...)) {
				t.Errorf("%s: %v\n%s", filepath.Base(page), w, block[1])
			}
		}
	}
	if found < 4 {
		t.Errorf("only %d examples were found", found)
	}
}

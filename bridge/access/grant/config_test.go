package grant

import (
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-io/fairlead/deploy/strictyaml"
)

// good is a grant that can be completed by faults.
const good = `
clusters:
  prod.acme: {labels: {env: prod}}
grants:
  - name: a
    clusters: [prod.acme]
    when: ['caller.name == "x"']
    as: {agent: true}
`

// Each fault is told with its line, and with the column of an expression.
func TestFaultsHaveLines(t *testing.T) {
	for text, want := range map[string]string{
		"grnts: []":           `line 1: unknown key "grnts": did you mean "grants"?`,
		good + "    limit: 3": `line 9: grants[a]: unknown key "limit": did you mean "limits"?`,
		good + "  - {name: a, clusters: [\"*\"], callers: anyone, as: {agent: true}}":                                              `line 9: grants[a].name: another grant has the name "a"`,
		good + "  - {name: B, clusters: [\"*\"], callers: anyone, as: {agent: true}}":                                              "line 9: grants[B].name: name \"B\": not a DNS label (1 to 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit)",
		good + "  - {name: b, clusters: [], callers: anyone, as: {agent: true}}":                                                   `line 9: grants[b].clusters: none given; ["*"] means all`,
		good + "  - {name: b, callers: anyone, as: {agent: true}}":                                                                 `line 9: grants[b].clusters: none given; ["*"] means all`,
		good + "  - {name: b, clusters: [a.b.c], callers: anyone, as: {agent: true}}":                                              "line 9: grants[b].clusters[0]: tenant name \"b.c\": not a DNS label (1 to 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit)",
		good + "  - {name: b, clusters: [\"*\"], as: {agent: true}}":                                                               `line 9: grants[b].when: no condition is about the caller; if everyone may use the grant, say callers: anyone`,
		good + "  - name: b\n    clusters: [\"*\"]\n    when:\n    as: {agent: true}":                                              `line 11: grants[b]: key "when" has no value`,
		good + "  - {name: b, clusters: [\"*\"], when: [], callers: anyone, as: {agent: true}}":                                    `line 9: grants[b].when: the list is empty`,
		good + "  - {name: b, clusters: [\"*\"], when: ['request.verb == \"get\"'], as: {agent: true}}":                            `line 9: grants[b].when: no condition is about the caller; if everyone may use the grant, say callers: anyone`,
		good + "  - {name: b, clusters: [\"*\"], callers: all, as: {agent: true}}":                                                 `line 9: grants[b].callers: "all" is not known; conditions on the caller stand under when, and "anyone" means that there are none`,
		good + "  - {name: b, clusters: [\"*\"], callers: anyone, when: ['claims.a == \"b\"'], as: {agent: true}}":                 `line 9: grants[b].callers: the grant is for anyone, but a condition under when is about the caller`,
		strings.Replace(good, `'caller.name == "x"'`, `'caller.nam == "x"'`, 1):                                                    "line 7: grants[a].when[0]: expression, column 1: caller has no field nam; fields are claims, groups, issuer, method, name, uid: did you mean caller.name?",
		strings.Replace(good, `'caller.name == "x"'`, `'caller.name == 3'`, 1):                                                     "line 7: grants[a].when[0]: expression, column 13: == compares a string with a number, which is never the same: put the value in quotes",
		strings.Replace(good, `'caller.name == "x"'`, `'caller.name =='`, 1):                                                       "line 7: grants[a].when[0]: expression, column 15: the expression ends too early: a value is missing, or a ]",
		strings.Replace(good, `['caller.name == "x"']`, "\n      - >-\n        caller.name == \"x\" &&\n        caller.groups", 1): "line 8: grants[a].when[0]: expression, column 29: true or false is wanted here, and this is a list",
		strings.Replace(good, `{agent: true}`, `{agent: true, user: '"x"'}`, 1):                                                    "line 8: grants[a].as.agent: agent: true excludes user, groups, uid and extra",
		strings.Replace(good, `{agent: true}`, `{agent: false}`, 1):                                                                "line 8: grants[a].as.user: give agent: true, or user",
		strings.Replace(good, `    as: {agent: true}`, ``, 1):                                                                      `line 5: grants[a].as: none given: say as whom requests are executed, by agent: true or by user`,
		strings.Replace(good, `{agent: true}`, `{user: 'request.name'}`, 1):                                                        "line 8: grants[a].as.user: expression, column 1: there is no variable request; there are caller, claims, and a text must be in quotes",
		strings.Replace(good, `{agent: true}`, `{user: 'caller.groups'}`, 1):                                                       "line 8: grants[a].as.user: expression, column 1: the expression is a list, and must be a string",
		strings.Replace(good, `{agent: true}`, `{user: 'caller.name', groups: '[1]'}`, 1):                                          "",
		strings.Replace(good, `{agent: true}`, `{user: 'caller.name', extra: {Job: 'caller.name'}}`, 1):                            `line 8: grants[a].as.extra.Job: the key "Job" is not in lower case`,
		good + "    requests: []":                    `line 9: grants[a].requests: the list is empty; without the key every request is allowed`,
		good + "    requests:\n":                     `line 9: grants[a]: key "requests" has no value`,
		good + "    requests:\n    - {verbs: [get]}": "line 10: grants[a].requests[0].resources: give resources, or paths",
		good + "    requests:\n    - {verbs: [get], resources: [pods], namespaces: }":        `line 10: grants[a].requests[0]: key "namespaces" has no value`,
		good + "    requests:\n    - {verbs: [get], resources: [pods], namespaces: []}":      "line 10: grants[a].requests[0].namespaces: the list is empty, so that the rule matches nothing",
		good + "    requests:\n    - {verbs: [get], resources: [pods], names: ['*']}":        `line 10: grants[a].requests[0].names[0]: "*" is not a name; without the key all match`,
		good + "    requests:\n    - {verbs: [read], resources: [pods]}":                     `line 10: grants[a].requests[0].verbs[0]: verb "read" is not one of get, list, watch, create, update, patch, delete, deletecollection, proxy, *`,
		good + "    requests:\n    - {verbs: [], resources: [pods]}":                         `line 10: grants[a].requests[0].verbs: none given; ["*"] means all`,
		good + "    requests:\n    - {verbs: [get], resources: [pods/*]}":                    `line 10: grants[a].requests[0].resources[0]: "pods/*" is not of the form pods, pods/exec, */scale or "*"`,
		good + "    requests:\n    - {verbs: [get, list], resources: [pods, pods/exec]}":     `line 10: grants[a].requests[0].resources[1]: "pods/exec" runs commands in a cluster, whichever method is used, and needs the verb create`,
		good + "    requests:\n    - {verbs: [get], paths: [healthz]}":                       `line 10: grants[a].requests[0].paths[0]: "healthz" does not begin with a slash, or has a "*" that is not at its end`,
		good + "    requests:\n    - {verbs: [list], paths: [/healthz]}":                     `line 10: grants[a].requests[0].verbs[0]: verb "list" is not one of get, head, post, put, patch, delete, options, *`,
		good + "    requests:\n    - {verbs: [get], paths: [/a], namespaces: [b]}":           "line 10: grants[a].requests[0].paths: paths have no apiGroups, namespaces or names",
		good + "    mayImpersonate: {groups: [a]}":                                           "line 9: grants[a].mayImpersonate.users: give users or serviceAccounts; groups are for a user",
		good + "    mayImpersonate: {users: ['a*b']}":                                        `line 9: grants[a].mayImpersonate.users[0]: "a*b" is not a name, nor the beginning of one with "*"`,
		good + "    mayImpersonate: {serviceAccounts: ['*/x']}":                              `line 9: grants[a].mayImpersonate.serviceAccounts[0]: "*/x" is not of the form namespace/name or namespace/*`,
		"clusters: {prod: {labels: {a: b}}, prod.default: {}}":                               `line 1: clusters["prod.default"]: it is the same as "prod"`,
		"clusters:\n  a.b.c: {labels: {a: b}}":                                               "line 2: clusters[\"a.b.c\"]: tenant name \"b.c\": not a DNS label (1 to 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit)",
		"clusters:\n  prod: {label: {a: b}}":                                                 `line 2: clusters.prod: unknown key "label": did you mean "labels"?`,
		"clusters:\n  prod:\n    labels: [a]":                                                "line 3: clusters.prod.labels: want a mapping, not a list",
		"grants: {}":                                                                         `line 1: grants: want a list of grants, each of which begins with "- "`,
		"grants:\n-":                                                                         "line 2: grants[0]: an item of the list has no value",
		good + "    requests:\n    -":                                                        "line 10: grants[a].requests[0]: an item of the list has no value",
		good + "    requests:\n    - {verbs: [get], apiGroups: [~], resources: [pods]}":      "line 10: grants[a].requests[0].apiGroups[0]: an item of the list has no value",
		strings.Replace(good, "name: a", "name: &x ~", 1):                                    `line 5: grants[0]: key "name" has no value`,
		strings.Replace(good, "labels: {env: prod}", "labels: &x ~", 1) + "    requests: *x": "line 3: clusters[\"prod.acme\"]: key \"labels\" has no value\nline 9: grants[a]: key \"requests\" has no value",
		"clusters:\n  prod: &x\n" + good[len("\nclusters:\n"):] + "    requests: *x":         "line 2: clusters: key \"prod\" has no value\nline 9: grants[a]: key \"requests\" has no value",
		"grants: [a]": "line 1: grants[0]: want a mapping with the keys name, clusters, callers, when, requests, as, mayImpersonate, requires, maxDuration, approves, record, limits, not \"a\"",
	} {
		var c Config
		err := strictyaml.Unmarshal([]byte(text), &c)
		if want == "" {
			if err != nil {
				t.Errorf("%s\n: %v", text, err)
			}
			continue
		}
		if err == nil || err.Error() != want {
			t.Errorf("%s\n: %v, want %q", text, err, want)
		}
	}
}

// All faults of a file are told at once.
func TestAllFaults(t *testing.T) {
	var c Config
	err := strictyaml.Unmarshal([]byte(strings.ReplaceAll(good, "caller.name ==", "caller.nam ==")+
		"  - {name: b, clusters: [], callers: anyone, as: {agent: true}}\n"), &c)
	if all := strictyaml.Faults(err); len(all) != 2 {
		t.Errorf("faults %v, want those of both grants", all)
	}
}

// What was parsed is plain, so that a policy can see that nothing has changed.
func TestConfigsAreComparable(t *testing.T) {
	if a, b := parse(t, good), parse(t, "# a comment\n"+good); !reflect.DeepEqual(a, b) {
		t.Errorf("%+v and %+v are not the same", a, b)
	}
}

// A Config that was not decoded is checked too.
func TestNewChecks(t *testing.T) {
	base := func() Grant {
		return Grant{Name: "a", Clusters: []Pattern{"*"}, Callers: Anyone, As: As{Agent: true}}
	}
	for name, change := range map[string]func(*Grant){
		"name":        func(g *Grant) { g.Name = "" },
		"clusters":    func(g *Grant) { g.Clusters = []Pattern{"a.b.c"} },
		"condition":   func(g *Grant) { g.Callers, g.When = "", []Condition{"claims.x =="} },
		"rule":        func(g *Grant) { g.Requests = []Rule{{}} },
		"as":          func(g *Grant) { g.As = As{} },
		"user":        func(g *Grant) { g.As = As{User: "1"} },
		"impersonate": func(g *Grant) { g.MayImpersonate = &Impersonate{} },
		"no rules":    func(g *Grant) { g.Requests = []Rule{} },
	} {
		g := base()
		change(&g)
		if _, err := New(Config{Grants: List{g}}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := New(Config{Grants: List{base(), base()}}); err == nil {
		t.Error("two grants with one name: no error")
	}
	if _, err := New(Config{Clusters: Clusters{"a.b.c": {}}}); err == nil {
		t.Error("a bad pattern: no error")
	}
	g, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	g.Close()
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(good + "    requests:\n    - {verbs: [get], resources: [pods, '*/scale'], names: [a]}\n    - {verbs: ['*'], paths: ['/a*']}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var c Config
		if err := strictyaml.Unmarshal(b, &c); err != nil {
			return
		}
		g, err := New(c)
		if err != nil { // what was decoded is good
			t.Fatalf("%v in\n%s", err, b)
		}
		defer g.Close()
		caller := gitlab(map[string]any{"sub": "x"})
		_, _ = g.Authorize(t.Context(), caller, get("prod.acme", "/api/v1/namespaces/a/pods"))
	})
}

// UnmarshalYAML is for tests, whose files have no other sections.
func (c *Config) UnmarshalYAML(n *yaml.Node) error {
	type plain Config
	return strictyaml.Decode(n, (*plain)(c))
}

package grant

import (
	"reflect"
	"strings"
	"testing"

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
		"grnts: []":           `line 1: unknown key "grnts"; known are clusters, grants`,
		good + "    limit: 3": `line 9: unknown key "limit"`,
		good + "  - {name: a, clusters: [\"*\"], callers: anyone, as: {agent: true}}":                                              `line 9: grant "a": the name is taken`,
		good + "  - {name: B, clusters: [\"*\"], callers: anyone, as: {agent: true}}":                                              "line 9: grant: name \"B\"",
		good + "  - {name: b, clusters: [], callers: anyone, as: {agent: true}}":                                                   `line 9: grant "b": clusters: none given`,
		good + "  - {name: b, callers: anyone, as: {agent: true}}":                                                                 `line 9: grant "b": clusters: none given`,
		good + "  - {name: b, clusters: [a.b.c], callers: anyone, as: {agent: true}}":                                              "line 9: clusters: ",
		good + "  - {name: b, clusters: [\"*\"], as: {agent: true}}":                                                               `line 9: grant "b": no condition under when is about the caller; if everyone may use the grant, say callers: anyone`,
		good + "  - name: b\n    clusters: [\"*\"]\n    when:\n    as: {agent: true}":                                              `line 11: key "when" has no value`,
		good + "  - {name: b, clusters: [\"*\"], when: [], callers: anyone, as: {agent: true}}":                                    `line 9: grant "b": when: empty`,
		good + "  - {name: b, clusters: [\"*\"], when: ['request.verb == \"get\"'], as: {agent: true}}":                            `no condition under when is about the caller`,
		good + "  - {name: b, clusters: [\"*\"], callers: all, as: {agent: true}}":                                                 `line 9: grant "b": callers: "all" is not known`,
		good + "  - {name: b, clusters: [\"*\"], callers: anyone, when: ['claims.a == \"b\"'], as: {agent: true}}":                 `line 9: grant "b": callers: anyone, but a condition under when is about the caller`,
		strings.Replace(good, `'caller.name == "x"'`, `'caller.nam == "x"'`, 1):                                                    "line 7: expression, column 1: unknown variable or function 'caller'; variables are caller.claims, caller.groups",
		strings.Replace(good, `'caller.name == "x"'`, `'caller.name == 3'`, 1):                                                     "line 7: expression, column 13: found no matching overload",
		strings.Replace(good, `'caller.name == "x"'`, `'caller.name =='`, 1):                                                       "line 7: expression, column 15: ",
		strings.Replace(good, `['caller.name == "x"']`, "\n      - >-\n        caller.name == \"x\" &&\n        caller.groups", 1): "line 8: expression, column 29: expected type 'bool'",
		strings.Replace(good, `{agent: true}`, `{agent: true, user: '"x"'}`, 1):                                                    "line 8: agent and user exclude each other",
		strings.Replace(good, `{agent: true}`, `{agent: false}`, 1):                                                                "line 8: give agent: true, or user",
		strings.Replace(good, `    as: {agent: true}`, ``, 1):                                                                      `line 5: grant "a": as: give agent: true, or user`,
		strings.Replace(good, `{agent: true}`, `{user: 'request.name'}`, 1):                                                        "line 8: expression, column 1: unknown variable or function 'request'",
		strings.Replace(good, `{agent: true}`, `{user: 'caller.groups'}`, 1):                                                       "line 8: expression, column 1: it is of type list(string), want a string",
		strings.Replace(good, `{agent: true}`, `{user: 'caller.name', groups: '[1]'}`, 1):                                          "",
		strings.Replace(good, `{agent: true}`, `{user: 'caller.name', extra: {Job: 'caller.name'}}`, 1):                            `line 8: extra: key "Job" is not in lower case`,
		good + "    requests: []":                    `line 9: grant "a": requests: empty`,
		good + "    requests:\n":                     `line 9: key "requests" has no value`,
		good + "    requests:\n    - {verbs: [get]}": "line 10: requests: give resources, or paths",
		good + "    requests:\n    - {verbs: [get], resources: [pods], namespaces: }":        `line 10: key "namespaces" has no value`,
		good + "    requests:\n    - {verbs: [get], resources: [pods], namespaces: []}":      "line 10: requests: namespaces: empty",
		good + "    requests:\n    - {verbs: [get], resources: [pods], names: ['*']}":        `line 10: requests: names: "*" is not a name; without the key all match`,
		good + "    requests:\n    - {verbs: [read], resources: [pods]}":                     `line 10: requests: verb "read" is not one of get, list`,
		good + "    requests:\n    - {verbs: [], resources: [pods]}":                         "line 10: requests: verbs: none given",
		good + "    requests:\n    - {verbs: [get], resources: [pods/*]}":                    `line 10: requests: resources: "pods/*" is not of the form`,
		good + "    requests:\n    - {verbs: [get, list], resources: [pods, pods/exec]}":     `line 10: requests: resources: "pods/exec" runs commands in a cluster, whichever method is used, and needs the verb create`,
		good + "    requests:\n    - {verbs: [get], paths: [healthz]}":                       `line 10: requests: paths: "healthz" does not begin with a slash`,
		good + "    requests:\n    - {verbs: [list], paths: [/healthz]}":                     `line 10: requests: verb "list" is not one of get, head`,
		good + "    requests:\n    - {verbs: [get], paths: [/a], namespaces: [b]}":           "line 10: requests: paths have no apiGroups",
		good + "    mayImpersonate: {groups: [a]}":                                           "line 9: mayImpersonate: give users or serviceAccounts",
		good + "    mayImpersonate: {users: ['a*b']}":                                        `line 9: mayImpersonate: users: "a*b" is not a name`,
		good + "    mayImpersonate: {serviceAccounts: ['*/x']}":                              `line 9: mayImpersonate: serviceAccounts: "*/x" is not of the form`,
		"clusters: {prod: {labels: {a: b}}, prod.default: {}}":                               `line 1: clusters: "prod" and "prod.default" are the same`,
		"clusters:\n  a.b.c: {labels: {a: b}}":                                               "line 2: clusters: ",
		"clusters:\n  prod: {label: {a: b}}":                                                 `line 2: unknown key "label"; known are labels`,
		"clusters:\n  prod:\n    labels: [a]":                                                "line 3: ",
		"grants: {}":                                                                         "line 1: ",
		"grants:\n-":                                                                         "line 2: an item of the list has no value",
		good + "    requests:\n    -":                                                        "line 10: an item of the list has no value",
		good + "    requests:\n    - {verbs: [get], apiGroups: [~], resources: [pods]}":      "line 10: an item of the list has no value",
		strings.Replace(good, "name: a", "name: &x ~", 1):                                    `line 5: key "name" has no value`,
		strings.Replace(good, "labels: {env: prod}", "labels: &x ~", 1) + "    requests: *x": `line 3: key "labels" has no value`,
		"clusters:\n  prod: &x\n" + good[len("\nclusters:\n"):] + "    requests: *x":         `line 9: key "requests" has no value`,
		"grants: [a]": "line 1: want a mapping with the keys name, clusters, callers",
	} {
		var c Config
		err := strictyaml.Unmarshal([]byte(text), &c)
		if want == "" {
			if err != nil {
				t.Errorf("%s\n: %v", text, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) {
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

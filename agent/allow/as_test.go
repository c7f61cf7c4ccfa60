package allow

import (
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/subjects"
)

func TestWhoMayBeActedAs(t *testing.T) {
	user := func(name string, groups ...string) *subjects.Identity {
		return &subjects.Identity{User: name, Groups: groups}
	}
	const list = `
as:
  users: ["gitlab:acme/*", jane, "system:serviceaccount:kube-system:exact"]
  groups: ["gitlab:*", "system:nodes"]
  serviceAccounts: ["shop/*", "*/deployer", "team-*/ci", "kube-system/named", "fairlead-agent/own"]
  uids: ["u-*"]
  extra: {fairlead.io/job: ["*"], scopes: [read]}
`
	for _, tt := range []struct {
		list    string
		as      *subjects.Identity
		allowed bool
	}{
		{list, nil, false},
		{list, user("gitlab:acme/shop"), true},
		{list, user("gitlab:other/shop"), false},
		{list, user("jane", "gitlab:acme", "system:authenticated"), true},
		{list, user("Jane"), false},
		{list, user("jane", "system:masters"), false},
		{list, user("jane", "gitlab:acme", "admins"), false},
		{list, user("jane", "system:nodes"), true}, // literally
		{list, user("jane", "system:serviceaccounts"), false},
		{list, user("system:admin"), false},
		{list, user("system:anonymous"), false},
		{list, user("system:node:n1", "system:nodes"), false},
		{list, user("system:serviceaccount:shop:web"), true},
		{list, user("system:serviceaccount:shop:web", "system:serviceaccounts", "system:serviceaccounts:shop"), true},
		{list, user("system:serviceaccount:shop:web", "system:serviceaccounts:kube-system"), false},
		{list, user("system:serviceaccount:any:deployer"), true},
		{list, user("system:serviceaccount:kube-system:deployer"), false},
		{list, user("system:serviceaccount:kube-system:named"), true},
		{list, user("system:serviceaccount:kube-system:exact"), true},
		{list, user("system:serviceaccount:fairlead-agent:deployer"), false},
		{list, user("system:serviceaccount:fairlead-agent:own"), true},
		{list, user("system:serviceaccount:team-a:ci"), true},
		{list, user("system:serviceaccount:team-a:other"), false},
		{list, user("system:serviceaccount:shop:a:b"), true}, // no account has such a name
		{list, user("system:serviceaccount:shop"), false},
		{list, user("system:serviceaccount:shop:"), false},
		{list, &subjects.Identity{User: "jane", UID: "u-1", Extra: map[string][]string{"fairlead.io/job": {"1"}, "scopes": {"read"}}}, true},
		{list, &subjects.Identity{User: "jane", UID: "v-1"}, false},
		{list, &subjects.Identity{User: "jane", Extra: map[string][]string{"scopes": {"read", "write"}}}, false},
		{list, &subjects.Identity{User: "jane", Extra: map[string][]string{"other": {"x"}}}, false},
		{`as: {users: ["*"], groups: ["*"]}`, user("anybody", "any"), true},
		{`as: {users: ["*"], groups: ["*"]}`, user("system:kube-controller-manager"), false},
		{`as: {users: ["*"], groups: ["*"]}`, user("anybody", "system:masters"), false},
		{`as: {users: ["*"], groups: ["s*"]}`, user("anybody", "system:masters"), false},
		{`as: {users: ["*"], groups: ["system:masters"]}`, user("anybody", "system:masters"), true},
		{`as: {users: ["*"]}`, user("system:serviceaccount:shop:web"), false},
		{`as: {users: ["*"]}`, nil, false},
		{`as: {agent: true}`, nil, true},
		{`as: {agent: true}`, user("jane"), false},
		{`readOnly: true`, nil, true},
		{`readOnly: true`, user("jane"), false},
	} {
		r := mustParse(t, tt.list).judged(request("GET /version", tt.as))
		if (r == nil) != tt.allowed {
			t.Errorf("%s\n%+v: %v, want allowed: %v", tt.list, tt.as, r, tt.allowed)
		}
		if r != nil && r.reason != reasonIdentity && r.reason != reasonAgent {
			t.Errorf("%+v: refused for %s", tt.as, r.reason)
		}
	}
}

// TestMistakesInTheList: each is refused, with its line.
func TestMistakesInTheList(t *testing.T) {
	for list, want := range map[string]string{
		"":                              "it says nothing",
		"# all commented out\n":         "it says nothing",
		"{}":                            "it says nothing",
		"readonly: true":                `line 1: unknown key "readonly": did you mean "readOnly"?`,
		"exec: false\nreadOnly: maybe":  `line 2: readOnly: want true or false, not "maybe"`,
		"readOnly: true\nreadOnly: no":  `line 2: key "readOnly" stands twice`,
		"exec: true\nrequests:\n":       `line 2: key "requests" has no value`,
		"exec: true\nrequests: ~\n":     `line 2: key "requests" has no value`,
		"exec: true\nas:\n":             `line 2: key "as" has no value`,
		"exec:\n":                       `line 1: key "exec" has no value`,
		"as:\n  users:\n":               `line 2: as: key "users" has no value`,
		"as:\n  user: [jane]\n":         `line 2: as: unknown key "user": did you mean "users"?`,
		"as:\n  users: ['a*b']":         `line 2: as.users[0]: "a*b": a * is only allowed at the end`,
		"as:\n  users:\n  - ''":         `line 3: as.users[0]: it is empty`,
		"as:\n  users: ['system:*']":    `line 2: as.users[0]: "system:*": names that begin with system: are listed one by one; service accounts stand under serviceAccounts`,
		"as:\n  groups: ['system:s*']":  `line 2: as.groups[0]: "system:s*": names that begin with system: are listed one by one; service accounts stand under serviceAccounts`,
		"as:\n  serviceAccounts: [web]": `line 2: as.serviceAccounts[0]: "web": write NAMESPACE/NAME`,
		"as:\n  serviceAccounts: [a/]":  `line 2: as.serviceAccounts[0]: it is empty`,
		"as:\n  extra: {k: ['a*b']}":    `line 2: as.extra.k[0]: "a*b": a * is only allowed at the end`,
		"as: jane":                      `line 1: as: want a mapping with the keys agent, users, groups, serviceAccounts, uids, extra`,
		"requests:\n- {verbs: [get]}":   `line 2: requests[0].resources: a rule has either resources or paths`,
		"requests:\n- {verbs: [get], resources: [pods], paths: [/x]}":            `line 2: requests[0].resources: a rule has either resources or paths`,
		"requests:\n- {resources: [pods]}":                                       `line 2: requests[0].verbs: a rule needs verbs; ["*"] for all`,
		"requests:\n- {verbs: [read], resources: [pods]}":                        `line 2: requests[0].verbs[0]: verb "read": use get, list, watch, create, update, patch, delete, deletecollection, proxy or *`,
		"requests:\n- {verbs: [get], resources: [pods/exec]}":                    `line 2: requests[0].resources[0]: pods/exec runs commands in a cluster, whichever method is used, and needs the verb create`,
		"requests:\n- {verbs: [get], resources: [Pods]}":                         `line 2: requests[0].resources[0]: "Pods": write pods, pods/log, */scale or *`,
		"requests:\n- {verbs: [list], paths: [/x]}":                              `line 2: requests[0].verbs[0]: verb "list": use get, head, post, put, patch, delete, options or *`,
		"requests:\n- {verbs: [get], paths: [x]}":                                `line 2: requests[0].paths[0]: "x": a path begins with a slash`,
		"requests:\n- {verbs: [get], paths: [/x], namespaces: [a]}":              `line 2: requests[0].paths: apiGroups, namespaces and names restrict resources, not paths`,
		"requests:\n- verbs: [get]\n  resources: [pods]\n  namespaces:\n":        `line 4: requests[0]: key "namespaces" has no value`,
		"requests:\n- verbs: [get]\n  resources: [pods]\n  namespaces: []":       `line 4: requests[0].namespaces: the list is empty, so that the rule allows nothing`,
		"requests:\n- verbs: [get]\n  resources: [pods]\n  namespace: [a]":       `line 4: requests[0]: unknown key "namespace": did you mean "namespaces"?`,
		"requests:\n- verbs: [get]\n  resources: ['pods/*']":                     `line 3: requests[0].resources[0]: "pods/*": write pods, pods/log, */scale or *`,
		"requests:\n- verbs: [get]\n  resources: ['po*']":                        `line 3: requests[0].resources[0]: "po*": write pods, pods/log, */scale or *`,
		"requests:\n- verbs: [get]\n  resources: ['pods/']":                      `line 3: requests[0].resources[0]: "pods/": write pods, pods/log, */scale or *`,
		"requests:\n- verbs: [get]\n  resources: [pods]\n  apiGroups: [apps/v1]": `line 4: requests[0].apiGroups[0]: "apps/v1": a group is written without version and wildcard, such as apps; * is for all`,
		"requests:\n- verbs: [get]\n  resources: [pods]\n  namespaces: ['a*-b']": `line 4: requests[0].namespaces[0]: "a*-b": a * is only allowed at the end`,
		"requests:\n- verbs: [get]\n  resources: [pods]\n  names: ['']":          `line 4: requests[0].names[0]: it is empty`,
		"requests:\n- verbs: [get]\n  resources: [pods]\n  namespaces: [~]":      `line 4: requests[0].namespaces[0]: an item of the list has no value`,
		"x: &n ~\nrequests: *n": "line 1: unknown key \"x\"; known are readOnly, exec, secrets, as, requests\n" +
			`line 2: key "requests" has no value`,
		"exec: true\nas: {users: &n ~, groups: *n}": "line 2: as: key \"users\" has no value\nline 2: as: key \"groups\" has no value",
		"readOnly: true\n---\nreadOnly: false":      "line 2: the file has more than one document",
		"\x00":                                      "",
	} {
		if _, err := Parse([]byte(list), ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q\n got %v\nwant %s", list, err, want)
		}
	}
}

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/deploy/daemon"
)

const ownersList = `exec: false
secrets: false
as:
  agent: true
  users: ["gitlab:*", jane]
  groups: [developers]
  uids: [u-1]
  extra: {example.com/job: ["*"]}
requests:
  - {verbs: [get, list, watch], apiGroups: ["*"], resources: ["*"]}
  - {verbs: ["*"], apiGroups: ["", apps], resources: [deployments, pods], namespaces: [shop, fairlead]}
`

// What people see of a list, and of a request that they ask about.
func TestCheckAllow(t *testing.T) {
	const refused = "fairlead-agent: refused by the allow-list of the cluster's owner: rule "
	const help = "Run 'fairlead-agent check-allow --help' for usage.\n"
	file := filepath.Join(t.TempDir(), "allow.yaml")
	for _, c := range []struct {
		list, args string
		code       int
		want       string
	}{
		{ownersList, "", daemon.ExitOK, "FILE can be used: no exec, no Secrets, requests that one of 2 rules allows, as the agent itself, as users that are listed\n"},
		{"readOnly: true", "", daemon.ExitOK, "FILE can be used: reading only, every other request, as the agent itself\n"},
		{"as: {}", "", daemon.ExitOK, "FILE can be used: it allows nothing: nobody may act, as the section as has neither agent: true nor users nor serviceAccounts\n"},
		{"as: {groups: [a]}", "", daemon.ExitOK, "FILE: warning: line 1: as.groups: they are of users, and none is listed under users or serviceAccounts\nFILE can be used: it allows nothing: nobody may act, as the section as has neither agent: true nor users nor serviceAccounts, warnings: 1\n"},
		{"requests: []", "", daemon.ExitOK, "FILE can be used: it allows nothing: the section requests has no rule\n"},
		{"requests: [{verbs: [get], paths: [/version]}]\nas: {users: [a]}", "", daemon.ExitOK, "FILE can be used: requests that its one rule allows, as users that are listed\n"},
		{"readOnly: true", "--strict", daemon.ExitOK, "FILE can be used: reading only, every other request, as the agent itself\n"},
		{"requests: [{verbs: [get], resources: [pod]}]", "--strict", daemon.ExitUsage, `FILE: warning: line 1: requests[0].resources[0]: no resource has the name "pod": did you mean "pods"?` + "\nfairlead-agent: FILE can be used, but has warnings, and --strict is given\n"},
		{"requests: [{verbs: [get], resources: [pod]}]", "get pod web", daemon.ExitOK, `allowed: "get" of "pod", as the agent itself: rule requests[0]` + "\n"},
		{ownersList, "watch pods/exec -n shop", daemon.ExitUsage, "fairlead-agent: verb: watch is for collections, and a subresource such as pods/exec is part of one object: its verbs are get, create, update, patch and delete\n" + help},
		{ownersList, "get pods web -n shop", daemon.ExitOK, `allowed: "get" of "pods" in namespace "shop", as the agent itself: rule requests[0]` + "\n"},
		{ownersList, "patch deployments.apps -n shop --as gitlab:acme/shop --as-uid u-1 --as-extra example.com/job=7", daemon.ExitOK,
			`allowed: "patch" of "deployments.apps" in namespace "shop", as user "gitlab:acme/shop": rule requests[1]` + "\n"},
		{"exec: true", "create pods/exec web -n shop", daemon.ExitOK, `allowed: "create" of "pods/exec" in namespace "shop", as the agent itself: no rule under requests restricts it` + "\n"},
		{ownersList, "patch deployments.apps -n other", daemon.ExitFailure, refused + `requests: none of 2 rules allows "patch" of "deployments.apps" in namespace "other"` + "\n"},
		{ownersList, "create pods/exec web -n shop --as jane", daemon.ExitFailure, refused + `exec: false: "create" of "pods/exec" in namespace "shop" reaches into a container or behind the API server, for user "jane"` + "\n"},
		{ownersList, "get secrets -n shop", daemon.ExitFailure, refused + `secrets: false: "get" of "secrets" in namespace "shop" reveals Secrets or tokens` + "\n"},
		{ownersList, "list pods --as joe", daemon.ExitFailure, refused + `as.users: user "joe" is not listed` + "\n"},
		{ownersList, "list pods --as jane --as-group admins", daemon.ExitFailure, refused + `as.groups: group "admins" of user "jane" is not listed` + "\n"},
		{ownersList, "GET /version", daemon.ExitFailure, refused + `requests: none of 2 rules allows "get" of the path "/version"` + "\n"},
		{"secrets: false", "create pods -n fairlead --agent-namespace fairlead", daemon.ExitFailure, refused + `requests: "create" of "pods" in namespace "fairlead" is a change in the agent's own namespace, and no rule allows it that names this namespace` + "\n"},
		{ownersList, "create pods -n fairlead --agent-namespace fairlead", daemon.ExitOK, `allowed: "create" of "pods" in namespace "fairlead", as the agent itself: rule requests[1]` + "\n"},
		{"readonly: true\nas: {user: [a]}\nrequests:\n- {verbs: [read], resources: [pods]}", "", daemon.ExitUsage,
			`FILE: line 1: unknown key "readonly": did you mean "readOnly"?` + "\n" + `FILE: line 2: as: unknown key "user": did you mean "users"?` + "\n" +
				`FILE: line 4: requests[0].verbs[0]: verb "read": use get, list, watch, create, update, patch, delete, deletecollection, proxy or *` + "\n" +
				"fairlead-agent: FILE cannot be used, for the reasons above\n"},
		{"", "", daemon.ExitUsage, "FILE: it says nothing: a list has at least one of the keys readOnly, exec, secrets, as, requests\nfairlead-agent: FILE cannot be used, for the reasons above\n"},
		{ownersList, "frob pods", daemon.ExitUsage, `fairlead-agent: verb: "frob" is not one of get, list, watch, create, update, patch, delete, deletecollection` + "\n" + help},
		{ownersList, "get", daemon.ExitUsage, "fairlead-agent: a request is written VERB RESOURCE [NAME], such as get deployments.apps web, or METHOD PATH, such as GET /version\n" + help},
		{ownersList, "list pods --as-group x", daemon.ExitUsage, "fairlead-agent: --as-group, --as-uid and --as-extra are about a user: give --as too\n" + help},
		{ownersList, "list pods --as x --as-extra y", daemon.ExitUsage, `fairlead-agent: --as-extra: "y" is not of the form key=value` + "\n" + help},
		{ownersList, "--as x", daemon.ExitUsage, "fairlead-agent: --as and --namespace are about a request, and none is given\n" + help},
	} {
		if err := os.WriteFile(file, []byte(c.list), 0o600); err != nil {
			t.Fatal(err)
		}
		code, out := run(append([]string{"check-allow", file}, strings.Fields(c.args)...)...)
		if out = strings.ReplaceAll(out, file, "FILE"); code != c.code || out != c.want {
			t.Errorf("%s\n got %d %s\nwant %d %s", c.args, code, out, c.code, c.want)
		}
	}
	if code, out := run("check-allow"); code != daemon.ExitUsage || !strings.HasPrefix(out, "fairlead-agent: give the FILE of an allow-list\n") {
		t.Errorf("no arguments: %d %s", code, out)
	}
	if code, _ := run("check-allow", file+".none"); code != daemon.ExitUsage {
		t.Errorf("no file: exit code %d", code)
	}
}

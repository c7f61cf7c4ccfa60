package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/deploy/daemon"
)

const explainedAccess = `authentication:
  oidc:
    - {name: gitlab, issuer: "https://gitlab", audiences: [a], username: '"gitlab:" + claims.project_path', certificateAuthority: /not/here}
approvals: {file: /not/here/approvals.json}
grants:
- name: shop-view
  clusters: [prod.acme]
  when: [caller.issuer == "gitlab", claims.project_path == "acme/shop"]
  requests: [{verbs: [get, list, watch], apiGroups: ["*"], resources: ["*"]}]
  as: {user: caller.name}
- name: shop-deploy
  clusters: ["*.acme"]
  when: [caller.issuer == "gitlab", claims.project_path == "acme/shop", claims.ref_protected == "true"]
  as: {user: caller.name, groups: '["deployers"]'}
- name: breakglass
  clusters: ["*"]
  when: [caller.issuer == "gitlab"]
  requires: approval
  as: {agent: true}
- {name: on-duty, clusters: ["*"], when: [caller.name == "ann"], approves: [breakglass]}
`

// What people see of the grants that a request meets.
func TestExplain(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file := write("access.yaml", explainedAccess)
	branch := write("branch.json", `{"project_path": "acme/shop", "ref_protected": "false"}`)
	protected := write("protected.json", `{"project_path": "acme/shop", "ref_protected": "true"}`)
	token := write("token.json", `{"name": "ci", "clusters": ["prod.acme"]}`)
	const job = "caller: \"gitlab:acme/shop\" by method oidc of issuer \"gitlab\", without groups\n"
	const last = "grant on-duty: no\n    it is for approving alone, and lets no request in\n    when[0] is false: caller.name == \"ann\"\n"
	for _, c := range []struct {
		args           string
		code           int
		stdout, stderr string
	}{
		{"--issuer gitlab --claims " + branch + " --cluster prod.acme -n shop list pods", daemon.ExitOK, job +
			"grant shop-view: decides\n" +
			"grant shop-deploy: no\n    when[2] is false: claims.ref_protected == \"true\"\n" +
			"grant breakglass: would be for this too, but an earlier one decides\n" + last +
			"allowed by grant \"shop-view\", as user \"gitlab:acme/shop\", without groups\n", ""},
		{"--issuer gitlab --claims " + protected + " --cluster prod.acme -n shop patch deployments.apps web", daemon.ExitOK, job +
			"grant shop-view: no\n    requests: no rule matches; it would take {verbs: [patch], apiGroups: [\"apps\"], resources: [\"deployments\"], namespaces: [\"shop\"]}\n" +
			"grant shop-deploy: decides\ngrant breakglass: would be for this too, but an earlier one decides\n" + last +
			"allowed by grant \"shop-deploy\", as user \"gitlab:acme/shop\", in groups [\"deployers\"]\n", ""},
		{"--issuer gitlab --claims " + branch + " --cluster one.lab GET /version", daemon.ExitFailure, job +
			"grant shop-view: no\n    clusters: none of prod.acme is one.lab\n    requests: no rule matches; it would take {verbs: [get], paths: [\"/version\"]}\n" +
			"grant shop-deploy: no\n    clusters: none of *.acme is one.lab\n    when[2] is false: claims.ref_protected == \"true\"\n" +
			"grant breakglass: would decide, once somebody has approved it\n" + last,
			"fairlead-bridge: grant \"breakglass\" lets caller \"gitlab:acme/shop\" do this in cluster \"one.lab\" once somebody has approved it, for at most 4h0m0s: " +
				`POST /v1/access-requests {"cluster": "one.lab", "grant": "breakglass", "reason": "...", "duration": "1h"}` + "\n"},
		{"--caller " + token + " --cluster prod.acme GET /version", daemon.ExitOK, "caller: \"ci\" by method token, without groups\n" +
			"grant shop-view: no\n    when[0] is false: caller.issuer == \"gitlab\"\n    when[1] has no value: claims.project_path == \"acme/shop\": no such key: project_path\n    requests: no rule matches; it would take {verbs: [get], paths: [\"/version\"]}\n" +
			"grant shop-deploy: no\n    when[0] is false: caller.issuer == \"gitlab\"\n    when[1] has no value: claims.project_path == \"acme/shop\": no such key: project_path\n    when[2] has no value: claims.ref_protected == \"true\": no such key: ref_protected\n" +
			"grant breakglass: no\n    when[0] is false: caller.issuer == \"gitlab\"\n" + last +
			"allowed by the clusters of the caller's own token, as the agent itself\n", ""},
		{"--issuer github --claims " + branch + " --cluster one.lab GET /version", daemon.ExitUsage, "", "fairlead-bridge: --issuer: the access file has no issuer \"github\"\n" + helpOfExplain},
		{"--issuer gitlab --claims " + token + " --cluster one.lab GET /version", daemon.ExitUsage, "",
			"fairlead-bridge: --claims: the claims of the ID token do not identify a caller: the username that issuer \"gitlab\" is configured with cannot be made from them: no such key: project_path\n"},
		{"--cluster one.lab GET /version", daemon.ExitUsage, "", "fairlead-bridge: give either --issuer and --claims, or --caller\n" + helpOfExplain},
		{"--caller " + branch + " --cluster one.lab GET /version", daemon.ExitUsage, "", "fairlead-bridge: --caller: " + branch + " is not the JSON that is wanted: unknown field \"project_path\"\n"},
		{"--caller " + token + " --cluster a.b.c GET /version", daemon.ExitUsage, "", "fairlead-bridge: --cluster: "},
		{"--caller " + token + " GET /version", daemon.ExitUsage, "", "fairlead-bridge: --cluster is required"},
		{"--caller " + token + " --cluster one.lab", daemon.ExitUsage, "", "fairlead-bridge: a request is written VERB RESOURCE [NAME]"},
		{"--caller " + token + " --cluster one.lab watch pods/exec", daemon.ExitUsage, "", "fairlead-bridge: verb: watch is for collections"},
		{"--caller " + token + " --cluster one.lab frob pods", daemon.ExitUsage, "", "fairlead-bridge: verb: \"frob\" is not one of "},
	} {
		code, stdout, stderr := run(append([]string{"explain", "--access", file}, strings.Fields(c.args)...)...)
		if code != c.code || stdout != c.stdout || !strings.HasPrefix(stderr, c.stderr) || strings.Contains(stderr, "for usage") != strings.Contains(c.stderr, "for usage") && strings.HasSuffix(c.stderr, "\n") || c.stderr == "" && stderr != "" {
			t.Errorf("%s\n got %d\n%s%s\nwant %d\n%s%s", c.args, code, stdout, stderr, c.code, c.stdout, c.stderr)
		}
	}
	write("access.yaml", "grants: {}")
	if code, _, stderr := run("explain", "--access", file, "--caller", token, "--cluster", "prod", "GET", "/"); code != daemon.ExitUsage || !strings.Contains(stderr, "check-config") {
		t.Errorf("a file with faults: %d, %q", code, stderr)
	}
}

const helpOfExplain = "Run 'fairlead-bridge explain --help' for usage.\n"

const recordedAccess = `grants:
- name: shells
  clusters: [prod]
  when: [caller.name == "ann"]
  as: {user: caller.name}
  record: true
  mayImpersonate: {users: ["dev-*"], groups: [devs]}
- name: night-shells
  clusters: [night]
  when: [caller.name == "ann"]
  as: {user: caller.name}
  record: true
  requires: approval
- {name: on-duty, clusters: [night], when: [caller.name == "bob"], approves: [night-shells]}
approvals: {file: /not/here/approvals.json}
`

// What comes of a recording that the grant demands, and of a user as whom the caller
// itself asks to act.
func TestExplainRecordingsAndImpersonation(t *testing.T) {
	dir := t.TempDir()
	file, ann := filepath.Join(dir, "access.yaml"), filepath.Join(dir, "ann.json")
	if err := os.WriteFile(ann, []byte(`{"name": "ann"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	const recording = "recording: {directory: /not/here/recordings}\n"
	const decides = "grant shells: decides; it demands that sessions are recorded\n"
	const refused = "fairlead-bridge: grant \"shells\" demands that sessions are recorded, and of sessions only exec and attach can be: not port-forward"
	for _, c := range []struct {
		args, section          string
		code                   int
		stdoutHas, stderrBegin string
	}{
		{"create pods/exec web -n a", recording, daemon.ExitOK, decides, ""},
		{"create pods/exec web -n a", recording, daemon.ExitOK, "allowed by grant \"shells\", which has the session recorded, as user \"ann\", without groups\n", ""},
		{"GET /api/v1/namespaces/a/pods/web/attach", recording, daemon.ExitOK, "allowed by grant \"shells\", which has the session recorded,", ""},
		{"get pods web -n a", recording, daemon.ExitOK, "allowed by grant \"shells\", as user", ""},
		{"create pods/exec web -n a", "", daemon.ExitFailure, decides, "fairlead-bridge: grant \"shells\" demands a recording, and the access file has no section recording\n"},
		{"create pods/portforward web -n a", recording, daemon.ExitFailure, decides, refused},
		{"POST /api/v1/namespaces/a/pods/web/portforward", recording, daemon.ExitFailure, decides, refused},
		{"get nodes/proxy n", recording, daemon.ExitFailure, decides, refused},
		{"create pods/exec web -n a --cluster night", recording, daemon.ExitFailure, "grant night-shells: would decide, once somebody has approved it; it demands that sessions are recorded\n", "fairlead-bridge: grant \"night-shells\" lets"},
		{"list pods --as dev-jane --as-group devs", recording, daemon.ExitOK, "as user \"dev-jane\", in groups [\"devs\"]\n", ""},
		{"list pods --as admin", recording, daemon.ExitFailure, decides, "fairlead-bridge: caller \"ann\" may not act as user \"admin\": grant \"shells\" decides about the request, and its mayImpersonate does not name user \"admin\"\n"},
		{"list pods --as dev-jane --as-group admins", recording, daemon.ExitFailure, decides, "fairlead-bridge: caller \"ann\" may not act as user \"dev-jane\": grant \"shells\" decides about the request, and its mayImpersonate does not name group \"admins\"\n"},
		{"list pods --as-group devs", recording, daemon.ExitUsage, "", "fairlead-bridge: --as-group, --as-uid and --as-extra are about a user: give --as too\n" + helpOfExplain},
	} {
		if err := os.WriteFile(file, []byte(recordedAccess+c.section), 0o600); err != nil {
			t.Fatal(err)
		}
		code, stdout, stderr := run(append([]string{"explain", "--access", file, "--caller", ann, "--cluster", "prod"}, strings.Fields(c.args)...)...)
		if code != c.code || !strings.Contains(stdout, c.stdoutHas) || !strings.HasPrefix(stderr, c.stderrBegin) || c.stderrBegin == "" && stderr != "" {
			t.Errorf("%s\n got %d\n%s%s\nwant %d\n%s%s", c.args, code, stdout, stderr, c.code, c.stdoutHas, c.stderrBegin)
		}
	}
	if code, _, stderr := run("explain", "--caller", ann, "--cluster", "prod", "GET", "/"); code != daemon.ExitUsage || stderr != "fairlead-bridge: --access is required\n"+helpOfExplain {
		t.Errorf("no access file: %d, %q", code, stderr)
	}
}

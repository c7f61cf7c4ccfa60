package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nkeys"

	"github.com/fairlead-io/fairlead/deploy/daemon"
)

// checked runs check-config on a file, and returns what people see; FILE stands for the
// path of the file.
func checked(t *testing.T, content string, flags ...string) (code int, stdout, stderr string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "access.yaml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr = run(append([]string{"check-config", "--access", path}, flags...)...)
	return code, strings.ReplaceAll(stdout, path, "FILE"), strings.ReplaceAll(strings.ReplaceAll(stderr, path, "FILE"), filepath.Dir(path), "DIR")
}

const goodAccess = "grants:\n- name: a\n  clusters: [prod]\n  when: [caller.name == \"a\"]\n  as: {agent: true}\n"

func TestCheckConfig(t *testing.T) {
	const cannot = "fairlead-bridge: FILE cannot be used, for the reasons above\n"
	const issuer = "authentication:\n  oidc:\n  - {name: ci, issuer: 'https://ci', audiences: [a]"
	for name, c := range map[string]struct {
		content string
		flags   []string
		code    int
		stdout  string
		stderr  string
	}{
		"good": {goodAccess, nil, daemon.ExitOK, "FILE can be used: issuers of ID tokens: 0, grants: 1\n", ""},
		"several faults": {"grants:\n- name: a\n  cluster: [prod]\n  callers: anyone\n  as: {agent: true}\n- name: b\n  clusters: [prod]\n  when: [caller.nam == 1]\n  as: {agent: yes please}\n", nil, daemon.ExitUsage, "",
			"FILE: line 3: grants[a]: unknown key \"cluster\": did you mean \"clusters\"?\n" +
				"FILE: line 8: grants[b].when[0]: expression, column 1: caller has no field nam; fields are claims, groups, issuer, method, name, uid: did you mean caller.name?\n" +
				"FILE: line 9: grants[b].as.agent: want true or false, not \"yes please\"\n" + cannot},
		"not YAML":        {"grants:\n- name: a\n  clusters: [prod\n  as: {agent: true}\n", nil, daemon.ExitUsage, "", "FILE: line 3: a list in [ ] is not closed, lacks a comma, or has a value that goes on after its quote\n" + cannot},
		"limits":          {"limits:\n  caller:\n    streams: many\n", nil, daemon.ExitUsage, "", "FILE: line 3: limits.caller.streams: want a whole number from 1 to 1000000, not \"many\"; without the key there is no limit\n" + cannot},
		"a missing CA":    {issuer + ", certificateAuthority: ca.crt}\n", nil, daemon.ExitUsage, "", "FILE: line 3: authentication.oidc[ci].certificateAuthority: there is no file DIR/ca.crt\n" + cannot},
		"elsewhere":       {issuer + ", certificateAuthority: ca.crt}\n", []string{"--elsewhere"}, daemon.ExitOK, "FILE can be used: issuers of ID tokens: 1, grants: 0\n", ""},
		"a warning":       {issuer + "}\n" + strings.Replace(goodAccess, "name ==", "issuer ==", 1), nil, daemon.ExitOK, "FILE can be used: issuers of ID tokens: 1, grants: 1, warnings: 1\n", "FILE: warning: line 7: grants[a].when[0]: no issuer has the name \"a\"\n"},
		"strict":          {strings.Replace(goodAccess, "{agent: true}", `{user: '"system:admin"'}`, 1), []string{"--strict"}, daemon.ExitUsage, "", "FILE: warning: line 5: grants[a].as.user: system:admin is a user of Kubernetes' own: its rights are those of a component, and not what the cluster's owner bound for callers\nfairlead-bridge: FILE can be used, but has warnings, and --strict is given\n"},
		"strict and good": {goodAccess, []string{"--strict"}, daemon.ExitOK, "FILE can be used: issuers of ID tokens: 0, grants: 1\n", ""},
		"both": {"clusters: {}\n" + strings.Replace(goodAccess, "clusters: [prod]", "clusters: [prod]\n  limit: {}", 1) + "  record: true\n", nil, daemon.ExitUsage, "",
			"FILE: line 5: grants[a]: unknown key \"limit\": did you mean \"limits\"?\nFILE: warning: line 8: grants[a].record: there is no section recording, so that exec and attach under this grant are refused\n" + cannot},
	} {
		code, stdout, stderr := checked(t, c.content, c.flags...)
		if code != c.code || stdout != c.stdout || stderr != c.stderr {
			t.Errorf("%s: exit code %d\n%s%s\nwant %d\n%s%s", name, code, stdout, stderr, c.code, c.stdout, c.stderr)
		}
	}
	for args, want := range map[string]string{
		"":               "fairlead-bridge: --access is required, or --webhooks\nRun 'fairlead-bridge check-config --help' for usage.\n",
		"--access /none": "fairlead-bridge: access: open /none: no such file or directory\n",
	} {
		if code, _, stderr := run(append([]string{"check-config"}, strings.Fields(args)...)...); code != daemon.ExitUsage || stderr != want {
			t.Errorf("%s: %d, %q, want %q", args, code, stderr, want)
		}
	}
}

// With the tenants, patterns of clusters that none has are warned about.
func TestCheckConfigWithTenants(t *testing.T) {
	account, err := nkeys.CreateAccount()
	if err != nil {
		t.Fatal(err)
	}
	key, err := account.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	tenants := filepath.Join(t.TempDir(), "tenants.yaml")
	for content, want := range map[string]string{
		"default: " + key + "\n": "",
		"acme: " + key + "\n":    "FILE: warning: line 3: grants[a].clusters[0]: there is no tenant \"default\", which is that of clusters that are written without a tenant\n",
	} {
		if err := os.WriteFile(tenants, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if code, _, stderr := checked(t, goodAccess, "--tenants", tenants); code != daemon.ExitOK || stderr != want {
			t.Errorf("%s: %d, %q, want %q", content, code, stderr, want)
		}
	}
	if err := os.WriteFile(tenants, []byte("acme: x\nlab:\n  account: "+key+"\n  cluster: [a]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const faults = "TENANTS: line 1: acme: want the public key of a NATS account (A...)\nTENANTS: line 4: lab: unknown key \"cluster\": did you mean \"clusters\"?\n" +
		"fairlead-bridge: TENANTS cannot be used, for the reasons above\n"
	if code, _, stderr := checked(t, goodAccess, "--tenants", tenants); code != daemon.ExitUsage || strings.ReplaceAll(stderr, tenants, "TENANTS") != faults {
		t.Errorf("tenants with faults: %d, %q, want %q", code, stderr, faults)
	}
	tokens := filepath.Join(t.TempDir(), "tokens.yaml")
	if err := os.WriteFile(tokens, []byte("tokens:\n- {name: a, hsh: x, clusters: []}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := checked(t, goodAccess, "--tokens", tokens)
	if want := tokens + ": line 2: tokens[a]: unknown key \"hsh\": did you mean \"hash\"?\nfairlead-bridge: " + tokens + " cannot be used, for the reasons above\n"; code != daemon.ExitUsage || stderr != want {
		t.Errorf("tokens with a fault: %d, %q, want %q", code, stderr, want)
	}
	if err := os.WriteFile(tokens, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := checked(t, goodAccess, "--tokens", tokens); code != daemon.ExitOK || stderr != "FILE: warning: line 4: grants[a].when[0]: no caller has the name \"a\"; there are no tokens\n" {
		t.Errorf("no tokens: %d, %q", code, stderr)
	}
	if code, _, stderr := checked(t, goodAccess, "--tenants", tenants+".none"); code != daemon.ExitUsage || !strings.Contains(stderr, "no such file") {
		t.Errorf("no tenants: %d, %q", code, stderr)
	}
}

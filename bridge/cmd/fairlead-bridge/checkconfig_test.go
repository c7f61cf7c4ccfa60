package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/deploy/daemon"
)

func TestCheckConfig(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.yaml")
	check := func(content string) (code int, stdout, stderr string) {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return run("check-config", "--access", path)
	}
	code, stdout, stderr := check("grants:\n- name: a\n  clusters: [prod]\n  when: [caller.name == \"a\"]\n  as: {agent: true}\n")
	if code != daemon.ExitOK || stdout != path+" can be used: issuers of ID tokens: 0, grants: 1\n" || stderr != "" {
		t.Errorf("a good file: %d, %q, %q", code, stdout, stderr)
	}
	code, stdout, stderr = check("grants:\n- name: a\n  cluster: [prod]\n  as: {agent: true}\n- name: b\n  clusters: [prod]\n  when: [caller.nam == 1]\n  as: {agent: true}\n")
	for _, want := range []string{path + ": line 3: grants[a]: unknown key \"cluster\": did you mean \"clusters\"?\n", path + ": line 7: grants[b].when[0]: expression, column 1: caller has no field nam; ", "cannot be used"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("%q lacks %q", stderr, want)
		}
	}
	if code != daemon.ExitUsage || stdout != "" {
		t.Errorf("a bad file: exit code %d, %q", code, stdout)
	}
	for _, args := range [][]string{{"check-config"}, {"check-config", "--access", path + ".none"}} {
		if code, _, stderr := run(args...); code != daemon.ExitUsage || stderr == "" {
			t.Errorf("%v: %d, %q", args, code, stderr)
		}
	}
}

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/deploy/daemon"
)

// TestTakenOver: once the signing keys have gone to nsc and away from the
// directory, as deploy/nsc/README.md says, nothing here can sign or push an
// account over one of nsc's. The rest of the directory still works.
func TestTakenOver(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "fl")
	mustCall(t, "init", "--dir", dir, "--tenant", "acme", "--cluster", "prod")
	before, err := os.ReadDir(filepath.Join(dir, "jwt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []string{"operator*.nk", "system*.nk", "platform.nk", "steward.nk", "tenants"} {
		files, err := filepath.Glob(filepath.Join(dir, "keys", pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %v", pattern, files, err)
		}
		for _, f := range files {
			if err := os.RemoveAll(f); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, args := range [][]string{
		{"tenant", "add", "--dir", dir, "--tenant", "globex", "--no-push"},
		{"cluster", "add", "--dir", dir, "--tenant", "acme", "--cluster", "stage"},
		{"cluster", "revoke", "--dir", dir, "--tenant", "acme", "--cluster", "prod", "--no-push"},
		{"push", "--dir", dir, "--server", "tls://127.0.0.1:1"},
	} {
		code, _, stderr := call(args...)
		if code != daemon.ExitFailure || !strings.Contains(stderr, "if nsc has taken over the keys, use nsc") {
			t.Errorf("%q: exit %d, %q", args, code, stderr)
		}
	}
	if after, err := os.ReadDir(filepath.Join(dir, "jwt")); err != nil || len(after) != len(before) {
		t.Errorf("the accounts were changed: %v, %v", after, err)
	}
	mustCall(t, "check", "--dir", dir)
	mustCall(t, "cert", "renew", "--dir", dir)
}

// TestHelpWarnsOfTwoKeepers: the commands that change or push accounts say that
// nsc must not do so too.
func TestHelpWarnsOfTwoKeepers(t *testing.T) {
	for _, args := range [][]string{
		{"init", "--help"}, {"tenant", "add", "--help"}, {"tenant", "update", "--help"}, {"cluster", "add", "--help"}, {"cluster", "revoke", "--help"}, {"push", "--help"},
	} {
		if out := mustCall(t, args...); !strings.Contains(out, "not both") {
			t.Errorf("%q does not say it:\n%s", args, out)
		}
	}
}

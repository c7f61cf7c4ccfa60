package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/deploy/daemon"
)

// TestTakenOver: what another tool has signed since is not changed here.
func TestTakenOver(t *testing.T) {
	dir, other := filepath.Join(t.TempDir(), "fl"), filepath.Join(t.TempDir(), "other")
	mustCall(t, "init", "--dir", dir, "--tenant", "acme", "--cluster", "prod")
	if err := os.CopyFS(other, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	mustCall(t, "cluster", "revoke", "--dir", other, "--tenant", "acme", "--cluster", "prod", "--no-push")
	if err := os.RemoveAll(filepath.Join(dir, "jwt")); err != nil { // and what a push has stored
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "jwt"), os.DirFS(filepath.Join(other, "jwt"))); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"tenant", "add", "--dir", dir, "--tenant", "globex", "--no-push"},
		{"cluster", "add", "--dir", dir, "--tenant", "acme", "--cluster", "stage"},
		{"cluster", "revoke", "--dir", dir, "--tenant", "acme", "--cluster", "prod", "--no-push"},
	} {
		code, _, stderr := call(args...)
		if code != daemon.ExitFailure || !strings.Contains(stderr, "signed elsewhere") || !strings.Contains(stderr, "--force") {
			t.Errorf("%q: exit %d, %q", args, code, stderr)
		}
		mustCall(t, append(args, "--force")...)
		if args[1] == "revoke" {
			mustCall(t, args...) // it is this directory's again
		}
	}
}

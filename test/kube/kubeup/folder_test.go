package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestFolderRefusesWhatIsNotOurs(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "thesis.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if f, err := openFolder(dir); err == nil {
		f.close()
		t.Error("a folder with someone's files was accepted; we would delete in it")
	}
}

func TestFolderHasOneClusterAndCanBeUsedAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "c")
	f, err := openFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	if second, err := openFolder(dir); err == nil {
		second.close()
		t.Error("two clusters in one folder")
	}
	if err := (description{Server: "https://x"}).write(f.description()); err != nil {
		t.Fatal(err)
	}
	f.close() // as a killed run does: without forget
	f, err = openFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	if _, err := os.Stat(f.description()); !os.IsNotExist(err) {
		t.Errorf("a dead cluster is still described: %v", err)
	}
}

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		args []string
		want int
	}{
		{nil, exitUsage},
		{[]string{"nonsense"}, exitUsage},
		{[]string{"up"}, exitUsage},
		{[]string{"up", "--nonsense"}, exitUsage},
		{[]string{"up", "-h"}, exitOK},
		{[]string{"up", "--dir", "/d", "extra"}, exitUsage},
		{[]string{reapCommand, "--slot=0"}, exitFailed},
	} {
		if got := run(t.Context(), c.args); got != c.want {
			t.Errorf("kubeup %q exits with %d, want %d", c.args, got, c.want)
		}
	}
}

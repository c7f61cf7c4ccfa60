package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// initialize writes the files of 'fairlead-broker init' that are handed out, and the
// secrets that are not.
func initialize(_ context.Context, dir string) error {
	for _, name := range []string{
		"operator.jwt", "system.jwt", "jwt/A1.jwt", "jwt/A2.jwt", "guard.creds", "token", "tokens.yaml", "tenants.yaml",
		"keys/operator.nk", "keys/operator-signing.nk", "keys/bridge.nk", "keys/store.nk", "keys/platform.nk", "store.account", "keys/tenants/default/agent.nk",
		"creds/prod.default.creds", "tls/ca.crt", "tls/ca.key", "tls/server.crt", "tls/server.key",
	} {
		if err := write(filepath.Join(dir, name), "content of "+name); err != nil {
			return err
		}
	}
	return nil
}

func write(name, content string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	return os.WriteFile(name, []byte(content), 0o600)
}

// TestKeysAreMadeOnce: a run that fails or is killed leaves nothing that looks
// finished, and one that follows a whole one changes nothing.
func TestKeysAreMadeOnce(t *testing.T) {
	keys := t.TempDir()
	failure := errors.New("killed")
	err := makeKeys(t.Context(), keys, func(ctx context.Context, dir string) error {
		return errors.Join(write(filepath.Join(dir, "operator.jwt"), "half"), failure)
	})
	if !errors.Is(err, failure) {
		t.Fatalf("%v, want %v", err, failure)
	}
	for range 2 {
		calls := 0
		err = makeKeys(t.Context(), keys, func(ctx context.Context, dir string) error {
			if calls++; calls > 1 {
				t.Error("keys are made again")
			}
			if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
				t.Errorf("init is given a folder that is not empty: %v", entries)
			}
			return initialize(ctx, dir)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if got, _ := os.ReadFile(filepath.Join(keys, made, "operator.jwt")); string(got) != "content of operator.jwt" {
		t.Errorf("operator.jwt is %q", got)
	}
}

// TestEachGetsItsPartOnly lists every file of every volume: no volume gets another
// file.
func TestEachGetsItsPartOnly(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	if err := initialize(t.Context(), from); err != nil {
		t.Fatal(err)
	}
	if err := handOut(from, to, os.Stderr); err != nil {
		t.Fatal(err)
	}
	broker := []string{"guard.creds", "jwt/A1.jwt", "jwt/A2.jwt", "operator.jwt", "tls/ca.crt", "tls/server.crt", "tls/server.key"}
	want := map[string][]string{
		"broker-1": broker, "broker-2": broker, "broker-3": broker,
		"bridge": {"keys/bridge.nk", "keys/store.nk", "store.yaml", "tenants.yaml", "tls/ca.crt", "tls/server.crt", "tls/server.key", "tokens.yaml"},
		"nginx":  {"tls/ca.crt", "tls/server.crt", "tls/server.key"},
		"agent":  {"agent.creds", "ca.crt"},
	}
	if got, _ := os.ReadFile(filepath.Join(to, "bridge", "store.yaml")); string(got) != "store-account: content of store.account\nstore-key: keys/store.nk\n" {
		t.Errorf("store.yaml is %q", got)
	}
	got := map[string][]string{}
	err := filepath.WalkDir(to, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == to {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is open to others: %v", path, info.Mode())
		}
		name, _ := filepath.Rel(to, path)
		if volume, file, ok := strings.Cut(name, string(filepath.Separator)); ok && !d.IsDir() {
			got[volume] = append(got[volume], filepath.ToSlash(file))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, volume := range slices.Sorted(maps.Keys(got)) {
		if slices.Sort(got[volume]); !slices.Equal(got[volume], want[volume]) {
			t.Errorf("%s has %q, want %q", volume, got[volume], want[volume])
		}
	}
	if len(got) != len(want) {
		t.Errorf("volumes %q", slices.Sorted(maps.Keys(got)))
	}
}

// TestHandOutAgain: changed files arrive, unchanged ones are left alone, and
// credentials that were set aside are not a reason to fail.
func TestHandOutAgain(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	if err := initialize(t.Context(), from); err != nil {
		t.Fatal(err)
	}
	if err := handOut(from, to, os.Stderr); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(filepath.Join(to, "bridge", "tenants.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(write(filepath.Join(from, "tokens.yaml"), "another"), os.Remove(filepath.Join(from, "creds", "prod.default.creds"))); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	if err := handOut(from, to, &log); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(filepath.Join(to, "bridge", "tokens.yaml")); string(got) != "another" {
		t.Errorf("tokens.yaml is %q", got)
	}
	if after, err := os.Stat(filepath.Join(to, "bridge", "tenants.yaml")); err != nil || !os.SameFile(before, after) {
		t.Errorf("tenants.yaml was written again: %v", err)
	}
	if got, _ := os.ReadFile(filepath.Join(to, "agent", "agent.creds")); string(got) != "content of creds/prod.default.creds" {
		t.Errorf("agent.creds is %q", got)
	}
	if !strings.Contains(log.String(), "prod.default.creds") {
		t.Errorf("nothing is said of the credentials that are missing: %q", log.String())
	}
	if err := os.Remove(filepath.Join(from, "guard.creds")); err != nil {
		t.Fatal(err)
	}
	if err := handOut(from, to, &log); err == nil || !strings.Contains(err.Error(), "guard.creds") {
		t.Errorf("without guard.creds: %v", err)
	}
}

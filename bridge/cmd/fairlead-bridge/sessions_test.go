package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode"

	"github.com/fairlead-io/fairlead/bridge/internal/natstest"
	"github.com/fairlead-io/fairlead/bridge/internal/storetest"
	"github.com/fairlead-io/fairlead/bridge/record"
	"github.com/fairlead-io/fairlead/bridge/record/vault"
	"github.com/fairlead-io/fairlead/bridge/store"
	"github.com/fairlead-io/fairlead/deploy/daemon"
)

// TestSessions: what was recorded is listed, shown and played, and a file that was
// changed is told.
func TestSessions(t *testing.T) {
	dir := t.TempDir()
	r := record.New(nil, slog.New(slog.DiscardHandler)).With(record.Config{Directory: dir})
	for _, caller := range []string{"jane\x1b[31m", "ci"} {
		s, err := r.Begin(record.Meta{Caller: caller, Cluster: "prod.acme", Kind: "exec", Namespace: "shop", Pod: "web", Command: []string{"ls", "-l"}})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Switched("websocket", http.Header{}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.ToClient([]byte("\x82\x06\x01total")); err != nil {
			t.Fatal(err)
		}
		s.Close()
	}
	run := func(args ...string) (string, error) {
		var out bytes.Buffer
		cmd := newCommand()
		cmd.SetOut(&out)
		cmd.SetErr(&out)
		cmd.SetArgs(append([]string{"sessions", "--dir", dir}, args...))
		err := cmd.ExecuteContext(t.Context())
		return out.String(), err
	}
	out, err := run("list", "--caller", "jane", "--cluster", "prod.acme", "--since", "1h")
	if lines := strings.Split(strings.TrimSpace(out), "\n"); err != nil || len(lines) != 2 || strings.Contains(out, "\x1b") || !strings.Contains(lines[1], "shop/web") || !strings.Contains(lines[1], "ls -l") {
		t.Errorf("list: %q, %v", out, err)
	}
	id, _, _ := strings.Cut(strings.Split(out, "\n")[1], " ")
	if out, err := run("play", id); err != nil || out != "total" {
		t.Errorf("play: %q, %v", out, err)
	}
	if out, err := run("show", id); err != nil || !strings.Contains(out, `"sha256"`) || !strings.Contains(out, "is the one that was recorded") {
		t.Errorf("show: %q, %v", out, err)
	}
	for _, args := range [][]string{{"play", "20"}, {"play", "x"}, {"play", "--speed", "0", id}, {"show", "../index"}} {
		if _, err := run(args...); err == nil {
			t.Errorf("%q succeeded", args)
		}
	}
	f, err := os.OpenFile(dir+"/"+id+".cast", os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("[9.0, \"o\", \"forged\"]\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := run("show", id); err == nil || !strings.Contains(err.Error(), "has changed") {
		t.Errorf("a changed file: %v", err)
	}
}

// TestSessionsDoNotCommandTheTerminal: whatever an index has, and JSON stays what it was.
func TestSessionsDoNotCommandTheTerminal(t *testing.T) {
	evil := "\x1b]0;x\a\u009b2J\u202e"
	e := record.Entry{ID: evil, Reason: evil, Meta: record.Meta{
		Request: evil, Caller: evil, Cluster: evil, Kind: "exec", Namespace: evil, Pod: evil, Command: []string{evil},
	}}
	foreign := e
	foreign.Foreign = true
	for _, asJSON := range []bool{false, true} {
		var out strings.Builder
		if err := writeSessions(&out, []record.Entry{e, foreign}, &sessionsFilter{}, asJSON); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsFunc(out.String(), func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) {
			t.Errorf("JSON %v: %q", asJSON, out.String())
		}
		if asJSON {
			var back record.Entry
			if err := json.NewDecoder(strings.NewReader(out.String())).Decode(&back); err != nil || !reflect.DeepEqual(back, e) {
				t.Errorf("%+v, %v", back, err)
			}
		}
		if got := strings.Count(out.String(), map[bool]string{false: "stolen key", true: `"foreign":true`}[asJSON]); got != 1 {
			t.Errorf("JSON %v: %d are told to have foreign messages", asJSON, got)
		}
	}
}

// TestSessionsInAPod: the environment of a bridge's pod has the account of the store,
// whatever is recorded to a directory.
func TestSessionsInAPod(t *testing.T) {
	t.Setenv("FAIRLEAD_STORE_ACCOUNT", "ABJHLOVMPA4CI6R5KLNGOB4GSLNIY7IOUPAJC4YFNDLQVIOBYQGUWVLA")
	if code, out, stderr := run("sessions", "list", "--dir", t.TempDir()); code != daemon.ExitOK || !strings.HasPrefix(out, "ID ") {
		t.Errorf("list: %d, %q, %q", code, out, stderr)
	}
}

// TestSharedSessions: what bridges recorded in their shared store is listed, shown and
// played.
func TestSharedSessions(t *testing.T) {
	b := storetest.Start(t, 1)
	s, err := store.Open(store.Config{ID: "b1", Account: b.Account, Key: b.Key, Broker: natstest.Broker(t, b.URLs()...)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Wait(t.Context(), store.Timeout); err != nil {
		t.Fatal(err)
	}
	r := record.New(vault.New(s), slog.New(slog.DiscardHandler)).With(record.Config{Shared: true})
	session, err := r.Begin(record.Meta{Caller: "jane", Cluster: "prod.acme", Kind: "exec", Namespace: "shop", Pod: "web", Command: []string{"ls"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Switched("websocket", http.Header{}); err != nil {
		t.Fatal(err)
	}
	if _, err := session.ToClient([]byte("\x82\x06\x01total")); err != nil {
		t.Fatal(err)
	}
	session.Close()
	seed, err := b.Key.Seed()
	if err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(t.TempDir(), "store.nk")
	if err := os.WriteFile(key, seed, 0o600); err != nil {
		t.Fatal(err)
	}
	at := []string{"sessions", "--store-account", b.Account, "--store-key", key, "--broker-url", b.URLs()[0]}
	code, out, stderr := run(append(at, "list", "--caller", "jane")...)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if code != daemon.ExitOK || len(lines) != 2 || !strings.Contains(lines[1], "shop/web") {
		t.Fatalf("list: %d, %q, %q", code, out, stderr)
	}
	id, _, _ := strings.Cut(lines[1], " ")
	if code, out, stderr := run(append(at, "play", id)...); code != daemon.ExitOK || out != "total" {
		t.Errorf("play: %d, %q, %q", code, out, stderr)
	}
	if code, out, stderr := run(append(at, "show", id)...); code != daemon.ExitOK || !strings.Contains(out, `"sha256"`) {
		t.Errorf("show: %d, %q, %q", code, out, stderr)
	}
	for want, args := range map[string][]string{
		"give --dir":                    {"sessions", "list"},
		"--broker-url is required":      {"sessions", "list", "--store-account", b.Account, "--store-key", key},
		"give both --store-account and": {"sessions", "list", "--store-account", b.Account, "--broker-url", b.URLs()[0]},
		"is not the public key":         {"sessions", "list", "--store-account", "x", "--store-key", key, "--broker-url", b.URLs()[0]},
		"fairlead-bridge: give the ID of a session, or its beginning\nRun":                                {"sessions", "show"},
		"fairlead-bridge: give the ID of a session, or its beginning and nothing else: \"b\" is too much": {"sessions", "play", "a", "b"},
		"the bridges' shared store is not":                                                                {"sessions", "list", "--store-account", b.Account, "--store-key", key, "--broker-url", "nats://127.0.0.1:1"},
	} {
		if code, _, stderr := run(args...); code == daemon.ExitOK || !strings.Contains(stderr, want) {
			t.Errorf("%q: %d, %q", args, code, stderr)
		}
	}
}

// A folder without recordings is told, and not an error.
func TestNoSessions(t *testing.T) {
	var out, errs bytes.Buffer
	cmd := newCommand()
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	cmd.SetArgs([]string{"sessions", "list", "--json", "--dir", t.TempDir()})
	if err := cmd.ExecuteContext(t.Context()); err != nil || out.String() != "" || errs.String() != "there are no recordings\n" {
		t.Errorf("wrote %q and %q, %v", out.String(), errs.String(), err)
	}
}

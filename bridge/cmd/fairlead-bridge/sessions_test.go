package main

import (
	"bytes"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/record"
)

// TestSessions: what was recorded is listed, shown and played, and a file that was
// changed is told.
func TestSessions(t *testing.T) {
	dir := t.TempDir()
	r := record.New(slog.New(slog.DiscardHandler))
	r.Update(record.Config{Directory: dir})
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

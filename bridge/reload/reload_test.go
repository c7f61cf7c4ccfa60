package reload

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func parse(b []byte) (string, error) {
	if string(b) == "bad" {
		return "", errors.New("bad content")
	}
	return string(b), nil
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFollowsTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	if _, err := Open(path, log, parse); err == nil {
		t.Error("opened a file that does not exist")
	}
	write(t, path, "bad")
	if _, err := Open(path, log, parse); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v, want one that names the file", err)
	}
	write(t, path, "one")
	f, err := Open(path, log, parse)
	if err != nil {
		t.Fatal(err)
	}
	// The clock is turned back instead of waiting a second.
	again := func() string { f.looked.Store(-int64(interval)); return *f.Get() }

	write(t, path, "second")
	f.looked.Store(int64(1) << 60)
	if got := *f.Get(); got != "one" {
		t.Errorf("looked again within a second: %q", got)
	}
	if got := again(); got != "second" {
		t.Errorf("got %q after the change, want the new content", got)
	}
	write(t, path, "bad")
	if got := again(); got != "second" {
		t.Errorf("got %q after a bad change, want the old content", got)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if got := again(); got != "second" {
		t.Errorf("got %q after the file was removed, want the old content", got)
	}
	if !strings.Contains(out.String(), "bad content") {
		t.Errorf("log %q does not tell of the bad change", out.String())
	}
	write(t, path, strings.Repeat("x", maxSize+1))
	if got := again(); got != "second" {
		t.Error("took a file over the limit")
	}
}

package policy

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is shared needs a bridge with a shared store, which a check of the file does not
// ask for.
func TestSharedNeedsAStore(t *testing.T) {
	for section, text := range map[string]string{
		"approvals": "approvals: {shared: true}\ngrants:\n- {name: a, clusters: [b], callers: anyone, requires: approval, as: {agent: true}}\n",
		"recording": "recording: {shared: true, maxTotal: 5GiB}\n",
	} {
		path := filepath.Join(t.TempDir(), "access.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Check([]byte(text), "/", false); err != nil {
			t.Errorf("%s: %v", section, err)
		}
		want := section + ".shared: this bridge has no shared store: give it --store-account and --store-key"
		if p, err := Open(path, nil, Shared{}, nil, nil, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), want) {
			p.Close()
			t.Errorf("%s: %v", section, err)
		}
	}
	if _, err := Check([]byte("approvals: {shared: true, file: /tmp/x.json}"), "/", true); err == nil || !strings.Contains(err.Error(), "line 1: approvals.shared: the section has a file too") {
		t.Errorf("both: %v", err)
	}
}

package tenant

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/internal/natstest"
)

func TestList(t *testing.T) {
	s := natstest.Start(t, "acme")
	account := s.Accounts["acme"]
	path := filepath.Join(t.TempDir(), "tenants.yaml")
	open := func(content string) (List, error) {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := OpenList(path, slog.New(slog.DiscardHandler))
		if err != nil {
			return nil, err
		}
		return f.Get(), nil
	}
	l, err := open("# names\nacme: " + account + "\nlab:\n  account: " + account + "\n  clusters: [prod, dev]\n")
	if err != nil || l["acme"].Account != account || len(l["lab"].Clusters) != 2 || l["acme"].Clusters != nil {
		t.Errorf("got %+v, %v", l, err)
	}
	for content, want := range map[string]string{
		"Acme: " + account: "DNS label",
		"acme: X":          "public key",
		"":                 "names no tenants",
		"# acme\n":         "names no tenants",
		"---\n":            "names no tenants",
		"null\n":           "names no tenants",
		"acme: {account: " + account + ", cluster: [a]}":        "unknown key",
		"acme: {account: " + account + ", clusters: [\"a.b\"]}": "DNS label",
		"acme: {clusters: [a]}":                                 "public key",
		"acme: " + account + "\nacme: " + account:               "already defined",
	} {
		if _, err := open(content); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", content, err, want)
		}
	}
}

// TestListIsEmptied: a file that lost its content leaves the tenants as they are,
// one that says so removes them all.
func TestListIsEmptied(t *testing.T) {
	s := natstest.Start(t, "acme")
	path := filepath.Join(t.TempDir(), "tenants.yaml")
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("acme: " + s.Accounts["acme"] + "\n")
	f, err := OpenList(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	look := func(what string, done func(l List, err error) bool) {
		t.Helper()
		deadline := time.Now().Add(10 * time.Second)
		for l, err := f.Poll(); !done(l, err); l, err = f.Poll() {
			if time.Now().After(deadline) {
				t.Fatalf("%s: %v, %v", what, l, err)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	write("")
	look("emptied", func(l List, err error) bool {
		if len(l) != 1 {
			t.Fatalf("an empty file removed the tenants: %v, %v", l, err)
		}
		return err != nil
	})
	write("{}\n")
	look("no tenants", func(l List, err error) bool { return len(l) == 0 && err == nil })
}

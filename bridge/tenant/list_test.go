package tenant

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/internal/natstest"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

func TestList(t *testing.T) {
	s := natstest.Start(t, "acme", "lab")
	account, other := s.Accounts["acme"], s.Accounts["lab"]
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
	l, err := open("# names\nacme: " + account + "\nlab:\n  account: " + other + "\n  clusters: [prod, dev]\n")
	if err != nil || l["acme"].Account != account || len(l["lab"].Clusters) != 2 || l["acme"].Clusters != nil {
		t.Errorf("got %+v, %v", l, err)
	}
	for content, want := range map[string]string{
		"Acme: " + account:                        "line 1: Acme: the name of a tenant: ",
		"acme: X":                                 "line 1: acme: want the public key",
		"acme: " + account + "X":                  "line 1: acme: want the public key",
		"acme: {account: " + account + "X}":       "line 1: acme.account: want the public key",
		"acme: " + account + "\nbcme: " + account: `line 2: bcme: tenant "acme" has this account too`,
		"":         "names no tenants",
		"# acme\n": "names no tenants",
		"---\n":    "names no tenants",
		"null\n":   "names no tenants",
		"acme: {account: " + account + ", cluster: [a]}":        `line 1: acme: unknown key "cluster": did you mean "clusters"?`,
		"acme: {account: " + account + ", clusters: [\"a.b\"]}": "line 1: acme.clusters[0]: the name of a cluster: ",
		"acme: {account: " + account + ", clusters: }":          `line 1: acme: key "clusters" has no value`,
		"acme: {clusters: [a]}":                                 "line 1: acme.account: want the public key",
		"acme: " + account + "\nacme: " + account:               `line 2: key "acme" stands twice`,
		"acme:\n":  `line 1: key "acme" has no value`,
		"- acme\n": "line 1: want a mapping, not a list",
	} {
		if _, err := open(content); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", content, err, want)
		}
	}
}

// TestListWithFaults: all faults are told, each with its line and key.
func TestListWithFaults(t *testing.T) {
	_, err := ParseList([]byte("acme: X\nLab: Y\nops:\n  account: Z\n  clusters: [prod, Dev, a.b]\n  colour: red\nacme: X\n"))
	if err == nil {
		t.Fatal("a file with faults was read")
	}
	want := []string{
		"line 1: acme: want the public key of a NATS account (A...)",
		"line 2: Lab: want the public key of a NATS account (A...)",
		"line 2: Lab: the name of a tenant: ",
		"line 4: ops.account: want the public key of a NATS account (A...)",
		"line 5: ops.clusters[1]: the name of a cluster: ",
		"line 5: ops.clusters[2]: the name of a cluster: ",
		`line 6: ops: unknown key "colour"; known are account, clusters`,
		`line 7: key "acme" stands twice`,
	}
	got := strings.Split(err.Error(), "\n")
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || !strings.HasPrefix(got[i], want[i]) {
			t.Fatalf("got\n%v\nwant\n%s", err, strings.Join(want, "\n"))
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
		eventually.Nil(t, what, func() error {
			l, err := f.Poll()
			if !done(l, err) {
				return fmt.Errorf("%v, %w", l, err)
			}
			return nil
		})
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

package trust

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/broker/internal/brokertest"
)

// nscWrote is what nsc itself wrote: see the README.md there.
var nscWrote = filepath.Join("..", "testdata", "nsc")

func TestCheckNSCStore(t *testing.T) {
	report, err := CheckNSCStore(filepath.Join(nscWrote, "store"))
	if err != nil || len(report.Findings) > 0 || report.Accounts != 3 || report.Users < 3 {
		t.Fatalf("check: %+v, %v", report, err)
	}
	report, err = CheckNSCStore(filepath.Join(nscWrote, "careless"))
	if err != nil {
		t.Fatal(err)
	}
	findings := report.Findings
	wants := []struct{ where, what string }{
		{"nodeny.jwt", "does not deny everything by default"},
		{"unscoped.jwt", "is not scoped"},
		{"unscoped.jwt", "allows bearer tokens"}, // nsc took it back when the key was added
		{"wide.jwt", `allows hearing "down.{{name()}}.>"`},
		{"Prod.jwt", "not a DNS label"},
		{"agitated_chebyshev.jwt", "not a DNS label"}, // nsc made it of '*'
		{"prod.eu.jwt", "not a DNS label"},
		{"stage.jwt", "not signed by a key of role agent"},
	}
	for _, want := range wants {
		found := false
		for _, f := range findings {
			found = found || strings.Contains(f.Where, want.where) && strings.Contains(f.What, want.what)
		}
		if !found {
			t.Errorf("nothing found with %q in %s", want.what, want.where)
		}
	}
	if len(findings) != len(wants) {
		t.Errorf("found %d things, want %d: %v", len(findings), len(wants), findings)
	}
}

func TestCheckNSCStoreIncomplete(t *testing.T) {
	for _, dir := range []string{t.TempDir(), nscWrote, filepath.Join(t.TempDir(), "none")} {
		if _, err := CheckNSCStore(dir); err == nil || !strings.Contains(err.Error(), "not an operator's folder") {
			t.Errorf("%s: error %v", dir, err)
		}
	}
	store := t.TempDir()
	if err := os.CopyFS(store, os.DirFS(filepath.Join(nscWrote, "store"))); err != nil {
		t.Fatal(err)
	}
	brokertest.Write(t, filepath.Join(store, "accounts", "acme", "users", "stage.jwt"), "x")
	brokertest.Write(t, filepath.Join(store, "accounts", "acme", "acme.jwt"), "x")
	report, err := CheckNSCStore(store)
	if err != nil || len(report.Findings) != 2 {
		t.Errorf("an account and a user that cannot be read: %v, %v", report, err)
	}
	brokertest.Remove(t, filepath.Join(store, "accounts", "SYS", "SYS.jwt"))
	report, err = CheckNSCStore(store)
	if err != nil || len(report.Findings) == 0 || !strings.Contains(report.Findings[0].Where, "system account") {
		t.Errorf("no system account: %v, %v", report, err)
	}
}

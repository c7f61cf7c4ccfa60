package main

import (
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/access/token"
	"github.com/fairlead-io/fairlead/bridge/tenant"
	"github.com/fairlead-io/fairlead/broker/keys"
)

// TestFormatsOfInit holds the two writers of tokens.yaml and tenants.yaml to one
// format: broker and bridge may not import each other, and this command may import
// both.
func TestFormatsOfInit(t *testing.T) {
	l, err := keys.Init(keys.InitOptions{Dir: filepath.Join(t.TempDir(), "d"), Tenant: "acme"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.AddTenant("globex"); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))

	first, err := os.ReadFile(l.TokenFile())
	if err != nil {
		t.Fatal(err)
	}
	own, _ := token.New()
	form := regexp.MustCompile(`\Afl_[A-Za-z0-9_-]{43}\z`)
	for _, secret := range []string{strings.TrimSuffix(string(first), "\n"), own} {
		if !form.MatchString(secret) {
			t.Error("a token is not of the form that both make")
		}
	}
	tokens, err := token.Open(l.TokensFile(), log)
	if err != nil {
		t.Fatal(err)
	}
	r := &http.Request{Header: http.Header{"Authorization": {"Bearer " + strings.TrimSpace(string(first))}}}
	if caller, err := tokens.Authenticate(r); err != nil || caller.Name != "admin" {
		t.Errorf("the bridge does not know the token that init made: %v, %v", caller, err)
	}

	list, err := tenant.OpenList(l.TenantsFile(), log)
	if err != nil {
		t.Fatal(err)
	}
	tenants, err := l.Tenants()
	if err != nil {
		t.Fatal(err)
	}
	got := list.Get()
	if len(got) != 2 || len(tenants) != 2 {
		t.Errorf("the bridge reads %v, the broker %v", got, tenants)
	}
	for name, account := range tenants {
		if got[name].Account != account {
			t.Errorf("tenant %s: the bridge reads %+v, the broker %s", name, got[name], account)
		}
	}
}

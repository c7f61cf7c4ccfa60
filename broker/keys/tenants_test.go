package keys

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"github.com/fairlead-io/fairlead/subjects"
)

func TestLayoutCommands(t *testing.T) {
	l := newLayout(t)
	if _, err := l.AddTenant("acme"); err == nil {
		t.Error("added a tenant that exists")
	}
	if _, err := l.AddTenant("a.b"); !errors.Is(err, subjects.ErrName) {
		t.Errorf("added a tenant that is not a DNS label: %v", err)
	}
	if _, err := l.MintAgent("acme", "*", time.Time{}); !errors.Is(err, subjects.ErrName) {
		t.Errorf("minted an agent that is not a DNS label: %v", err)
	}
	if _, err := l.MintAgent("nobody", "prod", time.Time{}); err == nil {
		t.Error("minted an agent of a tenant that does not exist")
	}
	if _, _, err := l.AddCluster("acme", "prod", time.Time{}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("overwrote credentials: %v", err)
	}
	if _, err := l.RevokeUser("acme", "prod"); err == nil {
		t.Error("revoked a key that is not a user's")
	}
	user, token, err := l.RevokeCluster("acme", "prod")
	if err != nil {
		t.Fatal(err)
	}
	claims, err := jwt.DecodeAccountClaims(token)
	if err != nil {
		t.Fatal(err)
	}
	if !nkeys.IsValidPublicUserKey(user) || !claims.Revocations.IsRevoked(user, time.Now().Add(-time.Minute)) {
		t.Errorf("user %q is not revoked", user)
	}
	if _, newUser, err := l.AddCluster("acme", "prod", time.Time{}); err != nil || newUser == user {
		t.Errorf("new credentials after a revocation: %v", err)
	}
	// Entries that users have written into tenants.yaml stay.
	mine := "# mine\nlab:\n  account: " + mustAccount(t, l, "acme") + "\n  clusters: [a]"
	write(t, l.TenantsFile(), mine)
	if _, err := l.AddTenant("initech"); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(l.TenantsFile()); !strings.HasPrefix(string(b), mine+"\ninitech: A") {
		t.Errorf("tenants.yaml is now %q", b)
	}
	if tenants, err := l.Tenants(); err != nil || len(tenants) != 2 || tenants["lab"] == "" {
		t.Errorf("tenants: %v, %v", tenants, err)
	}
	// A tenant that could not be made can be made again.
	remove(t, l.BridgeKeyFile())
	if _, err := l.AddTenant("globex"); err == nil {
		t.Fatal("made a tenant without the bridges' key")
	}
	if _, err := os.Stat(l.KeyFile("tenants", "globex")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("left keys of a tenant that was not made: %v", err)
	}
}

package keys

import (
	"slices"
	"testing"

	"github.com/nats-io/jwt/v2"

	"github.com/fairlead-io/fairlead/subjects"
)

// TestUpdateTenant: the role of bridges gets the rights of today under its key, once, and
// that of agents stays as it is.
func TestUpdateTenant(t *testing.T) {
	l := newLayout(t)
	token, err := l.AccountJWT("acme")
	if err != nil {
		t.Fatal(err)
	}
	if again, changed, err := l.UpdateTenant("acme"); err != nil || changed || again != token {
		t.Errorf("nothing to update: changed %t, %v", changed, err)
	}
	narrow := scopesOf(t, token)
	for _, role := range narrow.scopes {
		role.Template.AllowedConnectionTypes.Remove(jwt.ConnectionTypeWebsocket)
	}
	signer, err := ReadKey(l.KeyFile("operator-signing.nk"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.SignAccount(narrow.claims, signer); err != nil {
		t.Fatal(err)
	}
	updated, changed, err := l.UpdateTenant("acme")
	if err != nil || !changed {
		t.Fatalf("changed %t, %v", changed, err)
	}
	was, is := scopesOf(t, token), scopesOf(t, updated)
	for role, scope := range was.scopes {
		got := is.scopes[role]
		if got == nil || got.Key != scope.Key {
			t.Fatalf("role %s has another key", role)
		}
		if may := slices.Contains(got.Template.AllowedConnectionTypes, jwt.ConnectionTypeWebsocket); may != (role == subjects.RoleBridge) {
			t.Errorf("role %s may connect by %v", role, got.Template.AllowedConnectionTypes)
		}
	}
	if kept, err := l.AccountJWT("acme"); err != nil || kept != updated {
		t.Errorf("the directory has another JWT: %v", err)
	}
	if _, again, err := l.UpdateTenant("acme"); err != nil || again {
		t.Errorf("updated again: changed %t, %v", again, err)
	}
	if _, _, err := l.UpdateTenant("nobody"); err == nil {
		t.Error("updated a tenant that does not exist")
	}
}

type scoped struct {
	claims *jwt.AccountClaims
	scopes map[string]*jwt.UserScope // by role
}

func scopesOf(t *testing.T, token string) scoped {
	t.Helper()
	claims, err := jwt.DecodeAccountClaims(token)
	if err != nil {
		t.Fatal(err)
	}
	s := scoped{claims, map[string]*jwt.UserScope{}}
	for key := range claims.SigningKeys {
		scope, _ := claims.SigningKeys.GetScope(key)
		role := scope.(*jwt.UserScope)
		s.scopes[role.Role] = role
	}
	return s
}

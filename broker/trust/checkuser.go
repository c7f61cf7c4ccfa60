package trust

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/nats-io/jwt/v2"

	"github.com/fairlead-io/fairlead/broker/keys"
	"github.com/fairlead-io/fairlead/subjects"
)

// user is a user whose credentials or JWT are in a file.
type user struct {
	file   string
	claims *jwt.UserClaims // nil when they cannot be read
	err    error           // why not
}

// account is the public key of the account that a user is of.
func (u user) account() string {
	if u.claims.IssuerAccount != "" {
		return u.claims.IssuerAccount
	}
	return u.claims.Issuer
}

// readCredsDir adds the agents whose credentials are kept in a directory of
// [keys.Init].
func (t *sources) readCredsDir(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.creds"))
	if err != nil {
		return fmt.Errorf("credentials: %w", err)
	}
	for _, f := range files {
		claims, err := keys.ReadCreds(f)
		t.users = append(t.users, user{file: f, claims: claims, err: err})
	}
	t.fixUser = "Mint it again with the cluster's name (fairlead-broker cluster add), and remove the file"
	return nil
}

// user judges a user. Only agents of tenants and stewards of the platform are kept:
// bridges make their own users.
func (k *checker) user(u user) {
	if u.err != nil {
		k.add(u.file, u.err.Error(), k.fixUser)
		return
	}
	if u.account() == k.system {
		return
	}
	account, err := jwt.DecodeAccountClaims(k.accounts[u.account()])
	if err != nil {
		account = nil // reported, or an account of another broker
	} else if account.IsClaimRevoked(u.claims) {
		return
	}
	fix := fillIn(k.fixUser, "USER", u.claims.Name)
	if account != nil {
		fix = fillIn(fix, "ACCOUNT", account.Name)
	}
	if err := subjects.CheckName(u.claims.Name); err != nil {
		k.add(u.file, "the user's "+err.Error(), fix)
	}
	if account == nil {
		return
	}
	scope, known := account.SigningKeys.GetScope(u.claims.Issuer)
	if !known {
		k.add(u.file, fmt.Sprintf("is signed by a key that account %q does not list", account.Name), fix)
	} else if role, ok := scope.(*jwt.UserScope); !ok || !isRole(role.Role, subjects.RoleAgent) && !isRole(role.Role, subjects.RoleSteward) {
		k.add(u.file, "is not signed by a key of role agent", fix)
	}
}

// guard judges the broker's own user, whose credentials lie on every node: one
// that may publish could replace any account.
func (k *checker) guard() {
	g := k.sources.guard
	if g == nil || g.account() != k.system {
		return
	}
	p := g.claims.Permissions
	if system, err := jwt.DecodeAccountClaims(k.accounts[k.system]); err == nil {
		if scope, ok := system.SigningKeys.GetScope(g.claims.Issuer); ok {
			if role, ok := scope.(*jwt.UserScope); ok {
				p = role.Template.Permissions
			}
		}
	}
	silent := slices.Contains(p.Pub.Deny, ">") && p.Resp == nil
	hears := !slices.Contains(p.Sub.Deny, ">") &&
		(len(p.Sub.Allow) == 0 || slices.ContainsFunc(p.Sub.Allow, func(s string) bool { return s != keys.ConnectEvents }))
	if silent && !hears {
		return
	}
	k.add(g.file, fmt.Sprintf("the guard's user %q may do more than be notified of new connections, and so may anyone who has the file", g.claims.Name),
		"Make another and give its credentials: nsc add user -a SYS -n guard --deny-pub '>' --allow-sub '"+keys.ConnectEvents+"'; nsc generate creds -a SYS -n guard -o guard.creds")
}

package keys

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"github.com/fairlead-io/fairlead/subjects"
)

// SignAccount signs claims and writes them to the resolver's directory. Claims
// that were signed before are signed in a later second: resolvers take two JWTs
// of one account and one second for the same.
func (l *Layout) SignAccount(claims *jwt.AccountClaims, signer nkeys.KeyPair) (accountJWT string, err error) {
	if claims.IssuedAt != 0 {
		time.Sleep(time.Until(time.Unix(claims.IssuedAt+1, 0)))
	}
	accountJWT, err = claims.Encode(signer)
	if err != nil {
		return "", fmt.Errorf("account %s: %w", claims.Name, err)
	}
	if err := replaceFile(l.AccountFile(claims.Subject), []byte(accountJWT), publicMode); err != nil {
		return "", fmt.Errorf("account %s: %w", claims.Name, err)
	}
	return accountJWT, nil
}

// PlatformKeyFile is the identity of the platform's account; it signs no users.
func (l *Layout) PlatformKeyFile() string { return l.KeyFile("platform.nk") }

// StoreKeyFile is the seed that signs bridges in the platform's account.
func (l *Layout) StoreKeyFile() string { return l.KeyFile("store.nk") }

// StewardKeyFile is the seed that signs those who administer the streams there.
func (l *Layout) StewardKeyFile() string { return l.KeyFile("steward.nk") }

// MintSteward makes credentials of a user who administers the streams of the platform's
// account, as a creds file. The name must be a DNS label. A zero expires means never.
func (l *Layout) MintSteward(name string, expires time.Time) (creds []byte, err error) {
	if err := subjects.CheckName(name); err != nil {
		return nil, fmt.Errorf("user %w", err)
	}
	account, _, err := l.Platform()
	if err != nil {
		return nil, err
	}
	signer, err := ReadKey(l.StewardKeyFile())
	if err != nil {
		return nil, fmt.Errorf("mint user %q: %w", name, err)
	}
	defer signer.Wipe()
	return MintUser(signer, account, name, expires)
}

// ErrNoPlatform is why there is no account for the shared store: the directory was
// made before there was one. [Layout.AddPlatform] adds it.
var ErrNoPlatform = errors.New("no account has role " + subjects.RoleStore + "; 'fairlead-broker store add' makes one")

// AddPlatform makes what the directory lacks for the shared store of the bridges: the
// account and its keys. It returns the account's public key and its JWT, which
// running brokers learn by [Layout.Push]. Where the account exists, its roles get the
// rights that an older version did not give them, and nothing else is changed.
func (l *Layout) AddPlatform() (account, accountJWT string, err error) {
	account, accountJWT, err = l.Platform()
	switch {
	case err == nil:
		accountJWT, err = l.widenRoles(accountJWT, map[string]func(string) *jwt.UserScope{
			subjects.RoleStore: StoreScope, subjects.RoleSteward: StewardScope,
		})
	case errors.Is(err, ErrNoPlatform):
		account, accountJWT, err = l.makePlatform()
	}
	if err != nil {
		return "", "", fmt.Errorf("add platform: %w", err)
	}
	return account, accountJWT, nil
}

func (l *Layout) makePlatform() (account, accountJWT string, err error) {
	signer, err := ReadKey(l.KeyFile("operator-signing.nk"))
	if err != nil {
		return "", "", err
	}
	defer signer.Wipe()
	store, err := l.ensureKey(l.StoreKeyFile())
	if err != nil {
		return "", "", err
	}
	steward, err := l.ensureKey(l.StewardKeyFile())
	if err != nil {
		return "", "", err
	}
	if account, err = l.ensureKey(l.PlatformKeyFile()); err != nil {
		return "", "", err
	}
	if accountJWT, err = l.SignAccount(PlatformClaims(account, store, steward), signer); err != nil {
		return "", "", err
	}
	return account, accountJWT, replaceFile(l.StoreAccountFile(), []byte(account), publicMode)
}

// widenRoles gives the roles of an account the rights of today, and signs it if any lacked
// some. now is a role as it is today, for a key. Brokers drop the users of a role that
// changes, and take them again with the new rights.
func (l *Layout) widenRoles(accountJWT string, now map[string]func(key string) *jwt.UserScope) (string, error) {
	claims, err := jwt.DecodeAccountClaims(accountJWT)
	if err != nil {
		return "", err
	}
	changed := false
	for key := range claims.SigningKeys {
		scope, _ := claims.SigningKeys.GetScope(key)
		role, ok := scope.(*jwt.UserScope)
		if !ok {
			continue
		}
		for name, today := range now {
			if IsRole(role.Role, name) {
				changed = widen(role, today(key)) || changed
			}
		}
	}
	if !changed {
		return accountJWT, nil
	}
	signer, err := ReadKey(l.KeyFile("operator-signing.nk"))
	if err != nil {
		return "", err
	}
	defer signer.Wipe()
	return l.SignAccount(claims, signer)
}

// UpdateTenant gives the roles of bridges in a tenant's account the rights of today, which
// an older version did not give them, such as WebSocket. It returns the account's JWT, and
// whether it is another one, which running brokers learn by [Layout.Push]. Agents and
// their role are not touched.
func (l *Layout) UpdateTenant(tenant string) (accountJWT string, changed bool, err error) {
	if accountJWT, err = l.AccountJWT(tenant); err != nil {
		return "", false, err
	}
	updated, err := l.widenRoles(accountJWT, map[string]func(string) *jwt.UserScope{subjects.RoleBridge: BridgeScope})
	if err != nil {
		return "", false, fmt.Errorf("update tenant %q: %w", tenant, err)
	}
	return updated, updated != accountJWT, nil
}

// widen adds to a role what it lacks of another's allowed subjects and types of connections.
func widen(role, now *jwt.UserScope) (changed bool) {
	for _, list := range []struct {
		has  *jwt.StringList
		want jwt.StringList
	}{
		{&role.Template.Pub.Allow, now.Template.Pub.Allow},
		{&role.Template.Sub.Allow, now.Template.Sub.Allow},
		{&role.Template.AllowedConnectionTypes, now.Template.AllowedConnectionTypes},
	} {
		for _, s := range list.want {
			if !list.has.Contains(s) {
				list.has.Add(s)
				changed = true
			}
		}
	}
	return changed
}

// ensureKey makes an account's key unless an attempt before this one has.
func (l *Layout) ensureKey(file string) (public string, err error) {
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return l.newKey(nkeys.CreateAccount, filepath.Base(file))
	}
	pair, err := ReadKey(file)
	if err != nil {
		return "", err
	}
	defer pair.Wipe()
	return pair.PublicKey()
}

// Platform is the public key of the platform's account and its JWT, as the resolver's
// directory has it: the account with role store. No key is read. The error is
// [ErrNoPlatform] if there is none.
func (l *Layout) Platform() (account, accountJWT string, err error) {
	operator, err := l.Operator()
	if err != nil {
		return "", "", err
	}
	signers := AccountSigners(operator)
	files, err := filepath.Glob(filepath.Join(l.ResolverDir(), "*.jwt"))
	if err != nil {
		return "", "", fmt.Errorf("platform: %w", err)
	}
	for _, f := range files {
		claims, err := ReadAccount(f)
		if err != nil || !signers[claims.Issuer] || !hasRole(claims, subjects.RoleStore) {
			continue // what is wrong with a file, a broker says when it starts
		}
		accountJWT, err = ReadToken(f)
		return claims.Subject, accountJWT, err
	}
	return "", "", ErrNoPlatform
}

// hasRole reports whether an account lists a signing key of a role.
func hasRole(c *jwt.AccountClaims, role string) bool {
	for _, key := range c.SigningKeys.Keys() {
		scope, _ := c.SigningKeys.GetScope(key)
		if s, ok := scope.(*jwt.UserScope); ok && IsRole(s.Role, role) {
			return true
		}
	}
	return false
}

// IsRole reports whether a role's name is role or, as after a change of templates,
// begins with role and a dash.
func IsRole(name, role string) bool { return name == role || strings.HasPrefix(name, role+"-") }

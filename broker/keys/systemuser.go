package keys

import (
	"fmt"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

// ConnectEvents is the subject on which nats-server notifies the system account of
// new connections; the third token is the account.
const ConnectEvents = "$SYS.ACCOUNT.*.CONNECT"

// newGuardUser makes the user with which a running broker is notified of new
// connections. It may subscribe to that and nothing else, so it can be kept on every
// node.
func (l *Layout) newGuardUser() error {
	claims := jwt.NewUserClaims("guard") // the subject is set when the key is made
	claims.Name = "guard"
	claims.Permissions.Sub.Allow.Add(ConnectEvents)
	claims.Permissions.Pub.Deny.Add(">")
	token, user, err := l.MintSystemUser(claims)
	if err != nil {
		return err
	}
	defer user.Wipe()
	seed, err := user.Seed()
	if err != nil {
		return fmt.Errorf("guard: %w", err)
	}
	defer clear(seed)
	creds, err := jwt.FormatUserConfig(token, seed)
	if err != nil {
		return fmt.Errorf("guard: %w", err)
	}
	if err := writeNew(l.GuardCredsFile(), creds, secretMode); err != nil {
		return fmt.Errorf("guard: %w", err)
	}
	return nil
}

// MintSystemUser completes claims to a user of the system account. The caller
// wipes the pair.
func (l *Layout) MintSystemUser(claims *jwt.UserClaims) (token string, user nkeys.KeyPair, err error) {
	fail := func(err error) (string, nkeys.KeyPair, error) {
		return "", nil, fmt.Errorf("user of the system account: %w", err)
	}
	operator, err := l.Operator()
	if err != nil {
		return fail(err)
	}
	signer, err := ReadKey(l.KeyFile("system-signing.nk"))
	if err != nil {
		return fail(err)
	}
	defer signer.Wipe()
	user, err = nkeys.CreateUser()
	if err != nil {
		return fail(err)
	}
	claims.Subject, err = user.PublicKey()
	if err != nil {
		return fail(err)
	}
	claims.IssuerAccount = operator.SystemAccount
	token, err = claims.Encode(signer)
	if err != nil {
		return fail(err)
	}
	return token, user, nil
}

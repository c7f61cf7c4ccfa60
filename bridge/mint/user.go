package mint

import (
	"fmt"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

// Role is what a user is made of: the scoped signing key of a role in an account.
type Role struct {
	Key     nkeys.KeyPair
	Account string // its public key
}

// User makes the JWT of a bridge's user in the account. user is the user's public key,
// bridge its name.
func (r Role) User(bridge, user string, expires time.Time) (string, error) {
	claims := jwt.NewUserClaims(user)
	claims.Name = bridge
	claims.IssuerAccount = r.Account
	claims.SetScoped(true)
	claims.Expires = expires.Unix()
	token, err := claims.Encode(r.Key)
	if err != nil {
		return "", fmt.Errorf("mint user: %w", err)
	}
	return token, nil
}

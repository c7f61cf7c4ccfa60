package keys

import (
	"fmt"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
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

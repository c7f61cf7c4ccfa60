package keys

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/nats-io/nkeys"

	"github.com/fairlead-io/fairlead/subjects"
)

// RevokeUser adds a revocation to a tenant's account, signs it again and
// writes it to the resolver's directory. user is the user's public key (U...).
// A running broker learns of it by [Layout.Push], and then cuts the user's
// connections. Other users of the tenant notice nothing.
func (l *Layout) RevokeUser(tenant, user string) (accountJWT string, err error) {
	if !nkeys.IsValidPublicUserKey(user) {
		return "", fmt.Errorf("revoke: %q is not a user's public key (U and 55 more characters)", user)
	}
	account, err := l.account(tenant)
	if err != nil {
		return "", err
	}
	claims, err := ReadAccount(l.AccountFile(account))
	if err != nil {
		return "", fmt.Errorf("revoke: %w", err)
	}
	signer, err := ReadKey(l.KeyFile("operator-signing.nk"))
	if err != nil {
		return "", fmt.Errorf("revoke: %w", err)
	}
	defer signer.Wipe()
	claims.RevokeAt(user, time.Now())
	accountJWT, err = l.SignAccount(claims, signer)
	if err != nil {
		return "", fmt.Errorf("revoke: %w", err)
	}
	return accountJWT, nil
}

// RevokeCluster revokes the user in a cluster's kept credentials, as
// [Layout.RevokeUser] does, and puts ".revoked" after the file's name. Where
// that has been done it revokes the same user again, so that a caller whose
// push failed can repeat both.
func (l *Layout) RevokeCluster(tenant, cluster string) (user, accountJWT string, err error) {
	if err := subjects.CheckName(cluster); err != nil {
		return "", "", fmt.Errorf("cluster %w", err)
	}
	if err := subjects.CheckName(tenant); err != nil {
		return "", "", fmt.Errorf("tenant %w", err)
	}
	file := l.CredsFile(tenant, cluster)
	revoked := file + ".revoked"
	claims, err := ReadCreds(file)
	again := errors.Is(err, fs.ErrNotExist)
	if again {
		claims, err = ReadCreds(revoked)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "", "", fmt.Errorf("revoke: no credentials of the cluster are kept, neither %s nor %s; --user takes the user's public key instead", file, revoked)
	}
	if err != nil {
		return "", "", fmt.Errorf("revoke: %w", err)
	}
	accountJWT, err = l.RevokeUser(tenant, claims.Subject)
	if err != nil {
		return "", "", err
	}
	if again {
		return claims.Subject, accountJWT, nil
	}
	if err := os.Rename(file, revoked); err != nil {
		return "", "", fmt.Errorf("revoke: %w", err)
	}
	return claims.Subject, accountJWT, nil
}

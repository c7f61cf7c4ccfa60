package keys

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"github.com/fairlead-io/fairlead/subjects"
)

// MintUser makes a user of account, signed by a scoped signing key, and
// returns its credentials file. The user's permissions are in the account's JWT,
// under that key. A zero expires means never. Credentials that are already
// expired can be made; a broker refuses them.
//
// name is not checked: see [Layout.MintAgent].
func MintUser(signer nkeys.KeyPair, account, name string, expires time.Time) (creds []byte, err error) {
	token, user, err := mintUser(signer, account, name, expires)
	if err != nil {
		return nil, err
	}
	defer user.Wipe()
	seed, err := user.Seed()
	if err != nil {
		return nil, fmt.Errorf("mint user %q: %w", name, err)
	}
	defer clear(seed)
	creds, err = jwt.FormatUserConfig(token, seed)
	if err != nil {
		return nil, fmt.Errorf("mint user %q: %w", name, err)
	}
	return creds, nil
}

func mintUser(signer nkeys.KeyPair, account, name string, expires time.Time) (token string, user nkeys.KeyPair, err error) {
	fail := func(err error) (string, nkeys.KeyPair, error) {
		return "", nil, fmt.Errorf("mint user %q: %w", name, err)
	}
	user, err = nkeys.CreateUser()
	if err != nil {
		return fail(err)
	}
	public, err := user.PublicKey()
	if err != nil {
		return fail(err)
	}
	claims := jwt.NewUserClaims(public)
	claims.Name = name
	claims.IssuerAccount = account
	claims.SetScoped(true)
	if !expires.IsZero() {
		claims.Expires = expires.Unix()
	}
	token, err = claims.Encode(signer)
	if err != nil {
		return fail(err)
	}
	return token, user, nil
}

// MintAgent makes credentials for the agent of a cluster, as a creds file. The
// cluster's name must be a DNS label. A zero expires means never. Nothing is
// written and no earlier credentials of the cluster stop working.
func (l *Layout) MintAgent(tenant, cluster string, expires time.Time) (creds []byte, err error) {
	if err := subjects.CheckName(cluster); err != nil {
		return nil, fmt.Errorf("cluster %w", err)
	}
	account, err := l.account(tenant)
	if err != nil {
		return nil, err
	}
	signer, err := ReadKey(l.AgentKeyFile(tenant))
	if err != nil {
		return nil, fmt.Errorf("mint agent %s.%s: %w", cluster, tenant, err)
	}
	defer signer.Wipe()
	return MintUser(signer, account, cluster, expires)
}

// AddCluster mints credentials as [Layout.MintAgent] does and keeps them in
// [Layout.CredsFile], which must not exist. user is the public key by which
// they can be revoked.
func (l *Layout) AddCluster(tenant, cluster string, expires time.Time) (file, user string, err error) {
	creds, err := l.MintAgent(tenant, cluster, expires)
	if err != nil {
		return "", "", err
	}
	file = l.CredsFile(tenant, cluster)
	if err := writeNew(file, creds, secretMode); errors.Is(err, fs.ErrExist) {
		return "", "", fmt.Errorf("add cluster: cluster %q of tenant %q has credentials already: use them, revoke them ('cluster revoke'), or move the file away to replace them without an interruption: %w", cluster, tenant, err)
	} else if err != nil {
		return "", "", fmt.Errorf("add cluster: %w", err)
	}
	claims, err := ReadCreds(file)
	if err != nil {
		return "", "", fmt.Errorf("add cluster: %w", err)
	}
	return file, claims.Subject, nil
}

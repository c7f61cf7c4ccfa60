package link

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/jwt/v2"

	"github.com/fairlead-io/fairlead/subjects"
)

// Creds are the credentials in a file. Printing them shows no secret.
type Creds struct {
	// Cluster is the user's name, which is the cluster's.
	Cluster string
	// Expires is from when on the broker refuses the user; the zero time is never.
	Expires time.Time
	// NotBefore is until when the broker refuses the user; the zero time is always over.
	NotBefore time.Time
	// Account and User are the public keys of the tenant's account and of the user.
	Account, User string

	// Functions, so that printing cannot show them.
	token func() (string, error)
	sign  func(nonce []byte) ([]byte, error)
	// revoked: the broker said so while it cut the connection. A later attempt
	// only learns that it is refused.
	revoked *atomic.Bool
	// refusal is the broker's last refusal of them, nil if it accepted them.
	refusal *atomic.Pointer[refusal]
}

// parseCreds reads the text of a credentials file, as nsc and fairlead-broker
// write it, and checks it as far as that is possible without the broker.
func parseCreds(b []byte) (*Creds, error) {
	// The text of jwt's errors could quote what it was given, so they are not
	// shown.
	token, err := jwt.ParseDecoratedJWT(b)
	if err != nil || token == "" {
		return nil, errors.New("not a NATS credentials file: holds no user JWT")
	}
	claims, err := jwt.DecodeUserClaims(token)
	if err != nil {
		return nil, errors.New("not a NATS credentials file: the JWT is damaged or not a user's")
	}
	key, err := jwt.ParseDecoratedUserNKey(b)
	if err != nil {
		return nil, errors.New("not a NATS credentials file: holds no user seed")
	}
	if public, err := key.PublicKey(); err != nil || public != claims.Subject {
		return nil, errors.New("the seed belongs to another user than the JWT")
	}
	if err := subjects.CheckName(claims.Name); err != nil {
		return nil, fmt.Errorf("not an agent's: user name: %w", err)
	}
	c := &Creds{
		Cluster: claims.Name, Account: claims.IssuerAccount, User: claims.Subject, revoked: new(atomic.Bool), refusal: new(atomic.Pointer[refusal]),
		token: func() (string, error) { return token, nil },
		sign:  key.Sign,
	}
	if c.Account == "" { // signed with the account's own key
		c.Account = claims.Issuer
	}
	if claims.NotBefore > 0 {
		c.NotBefore = time.Unix(claims.NotBefore, 0)
	}
	if claims.Expires > 0 {
		c.Expires = time.Unix(claims.Expires, 0)
	}
	return c, nil
}

// Expired returns an error that says when the credentials expired, or nil if
// they have not.
func (c *Creds) Expired(now time.Time) error {
	if c.Expires.IsZero() || now.Before(c.Expires) {
		return nil
	}
	return fmt.Errorf("credentials of cluster %s expired on %s", c.Cluster, c.Expires.UTC().Format(time.RFC3339))
}

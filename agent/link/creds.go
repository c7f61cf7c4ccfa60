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
	// Expires is when the broker refuses the user; the zero time is never.
	Expires time.Time

	// Functions, since they cannot be printed.
	token func() (string, error)
	sign  func(nonce []byte) ([]byte, error)
	// revoked is what the broker said while it cut the connection. Whoever tries
	// again is told only that he is refused.
	revoked *atomic.Bool
	// refusal is the broker's last answer to them, if it did not take them.
	refusal *atomic.Pointer[refusal]
}

// parseCreds reads the text of a credentials file, as nsc and fairlead-broker
// write it, and checks it as far as that is possible without the broker.
func parseCreds(file string, b []byte) (*Creds, error) {
	fail := func(what string, err error) (*Creds, error) {
		return nil, fmt.Errorf("credentials %s: %s: %w", file, what, err)
	}
	// The text of jwt's errors could quote what it was given; only ours is shown.
	token, err := jwt.ParseDecoratedJWT(b)
	if err != nil || token == "" {
		return fail("no NATS credentials file", errors.New("holds no user JWT"))
	}
	claims, err := jwt.DecodeUserClaims(token)
	if err != nil {
		return fail("no NATS credentials file", errors.New("its JWT is damaged or no user's"))
	}
	key, err := jwt.ParseDecoratedUserNKey(b)
	if err != nil {
		return fail("no NATS credentials file", errors.New("holds no user seed"))
	}
	if public, err := key.PublicKey(); err != nil || public != claims.Subject {
		return fail("broken", errors.New("its seed belongs to another user than its JWT"))
	}
	if err := subjects.CheckName(claims.Name); err != nil {
		return fail("no agent's", err)
	}
	c := &Creds{
		Cluster: claims.Name, revoked: new(atomic.Bool), refusal: new(atomic.Pointer[refusal]),
		token: func() (string, error) { return token, nil },
		sign:  key.Sign,
	}
	if claims.Expires > 0 {
		c.Expires = time.Unix(claims.Expires, 0)
	}
	return c, nil
}

// Expired says since when the credentials are not valid any more, nil while
// they are.
func (c *Creds) Expired(now time.Time) error {
	if c.Expires.IsZero() || now.Before(c.Expires) {
		return nil
	}
	return fmt.Errorf("credentials of cluster %s expired on %s", c.Cluster, c.Expires.UTC().Format(time.RFC3339))
}

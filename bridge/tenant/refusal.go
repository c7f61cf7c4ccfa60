package tenant

import (
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/subjects/natslink"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial"
	"github.com/fairlead-io/fairlead/subjects/natslink/reach"
)

// judge says why the connection of a tenant failed, or was lost. A broker has one error
// text for most refusals, and the bridge, which has no more rights than its tenants,
// cannot ask for details. The bridge has minted the user itself, so that a user that has
// expired shows that the clocks differ.
func (c *Conn) judge(err error) *cause.Failure {
	f := natslink.Failure("connect to the broker for the tenant", err)
	switch {
	case errors.Is(err, nats.ErrAccountAuthExpired):
		f.Got = "the tenant's account has expired"
	case errors.Is(err, nats.ErrAuthExpired):
		f.Cause, f.Got = cause.ClockSkew, "the user that the bridge has minted has expired"
	case errors.Is(err, nats.ErrAuthRevoked):
		f.Got = "the tenant's account revokes the bridge's users"
		f.Do = "Remove the revocation from the tenant's account, and push it."
	case errors.Is(err, nats.ErrAuthorization):
		if other := c.skew(); other != nil {
			f.Cause, f.Got = cause.ClockSkew, other.String()+", by which the user that the bridge has minted has expired"
			break
		}
		f.Cause = cause.UnknownAccount
		f.Got = "the account in tenants.yaml is not pushed to this broker, or has expired, or is not the tenant's, or does not list the bridge's signing key with role bridge; " + c.own()
		f.Do = "Push the tenant's account ('fairlead-broker push', or 'nsc push'), and compare it with tenants.yaml, and its signing key of role bridge with the key of --bridge-key: either file may be that of another broker."
	default:
		return f.ForBridge()
	}
	if f.Cause == cause.UnknownAccount && c.redialer != nil {
		reach.MayLackWebSocket(f, c.redialer.Server(), subjects.RoleBridge, reach.RenewBridge)
	}
	f.Got = cause.Plain(f.Got + ": " + err.Error())
	return f.ForBridge()
}

// own names the account and the key that the bridge uses, which people compare with those
// of the broker.
func (c *Conn) own() string {
	key, _ := c.cfg.Key.PublicKey() // checked by Validate
	return fmt.Sprintf("the bridge uses account %s and key %s", c.account, key)
}

// skew returns the clock of the other end, if it is so far ahead that it explains that the
// broker refuses a user that was minted a moment ago; otherwise nil.
func (c *Conn) skew() *dial.Clock {
	if c.redialer == nil {
		return nil
	}
	if other := c.redialer.OtherClock(); other != nil && other.Ahead >= c.cfg.UserTTL {
		return other
	}
	return nil
}

// isRefusal reports whether a failure is the broker's refusal of the bridge for the
// tenant.
func isRefusal(f *cause.Failure) bool {
	for _, refusal := range []error{nats.ErrAccountAuthExpired, nats.ErrAuthExpired, nats.ErrAuthRevoked, nats.ErrAuthorization} {
		if errors.Is(f, refusal) {
			return true
		}
	}
	return false
}

package doctor

import (
	"fmt"
	"net/url"

	"github.com/nats-io/nkeys"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/subjects/natslink"
	"github.com/fairlead-io/fairlead/subjects/natslink/reach"
)

// refusal says what a refusal of credentials means for a bridge, which makes them
// itself for each tenant, and names them, since people compare the keys.
func (b *brokersLook) refusal(f *cause.Failure, server *url.URL, name string, user nkeys.KeyPair) *cause.Failure {
	if f.Hop != cause.JWT {
		return f
	}
	switch f.Cause {
	case cause.WrongAccount: // brokers have one answer for all of this
		f.Cause = cause.UnknownAccount
		f.Got = "the broker refuses the tenant's account: it was not pushed there, or has expired, or is not the tenant's, or does not list the bridge's key"
		f.Do = "Push the tenant's account ('fairlead-broker push', or 'nsc push'), and compare it with --tenants, and its signing key of role bridge with the key of --bridge-key: either file may be that of another broker."
		reach.MayLackWebSocket(f, natslink.ShownServer(server), subjects.RoleBridge, reach.RenewBridge)
	case cause.UserExpired, cause.UserNotYetValid:
		f.Cause, f.Do = cause.ClockSkew, ""
	case cause.UserRevoked:
		f.Got, f.Do = "the tenant's account revokes the bridge's users", "Remove the revocation from the tenant's account, and push it."
	}
	public, _ := user.PublicKey() // made a moment ago
	key, _ := b.cfg.Key.PublicKey()
	f.Got += fmt.Sprintf("; the credentials are of tenant %s, account %s and user %s, signed with key %s", name, b.cfg.Tenants[name].Account, public, key)
	return f
}

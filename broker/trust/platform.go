package trust

import (
	"fmt"
	"strings"

	"github.com/nats-io/jwt/v2"

	"github.com/fairlead-io/fairlead/subjects"
)

// fixStore is what to do about the template of role store, as nsc takes it.
func fixStore() string {
	return fmt.Sprintf("Make the role again: nsc edit account -n ACCOUNT --rm-sk KEY --disallow-bearer; "+
		"nsc edit signing-key -a ACCOUNT --sk KEY --role %s --allow-pub '%s' --allow-sub '%s' --conn-type IN_PROCESS,STANDARD,WEBSOCKET",
		subjects.RoleStore, strings.Join(subjects.StoreAllowPub(), ","), strings.Join(subjects.StoreAllowSub(), ","))
}

// jetStream judges who has JetStream: the account of the platform, which is the one
// with role store, and nobody else. Role steward, of its operator, is in it alone. There an agent could have messages delivered to
// any subject of its account: the deliver subject of a consumer is not checked.
func (k *checker) jetStream(c *jwt.AccountClaims) {
	store, steward := false, false
	var others []string
	for _, key := range c.SigningKeys.Keys() {
		scope, _ := c.SigningKeys.GetScope(key)
		if role, ok := scope.(*jwt.UserScope); ok {
			switch {
			case isRole(role.Role, subjects.RoleStore):
				store = true
			case isRole(role.Role, subjects.RoleSteward):
				steward = true
			default:
				others = append(others, role.Role)
			}
		}
	}
	switch {
	case !store:
		if c.Limits.IsJSEnabled() {
			k.addAccount(c, "has JetStream, which is for the account of the platform alone",
				"nsc edit account -n ACCOUNT --js-disable --disallow-bearer")
		}
		if steward {
			k.addAccount(c, "has role steward, which is for the account of the platform alone", "nsc edit account -n ACCOUNT --rm-sk KEY --disallow-bearer")
		}
		return
	case k.platform != "":
		k.addAccount(c, fmt.Sprintf("has role %s, and so has account %q: there is one account of the platform", subjects.RoleStore, k.platform),
			"Remove the role from one of them: nsc edit account -n ACCOUNT --rm-sk KEY --disallow-bearer")
	case len(others) > 0:
		k.addAccount(c, fmt.Sprintf("has role %s and also %q: only bridges and its stewards may be in the account of the platform", subjects.RoleStore, others),
			"Give the platform an account of its own")
	case len(c.Exports)+len(c.Imports)+len(c.Mappings) > 0:
		k.addAccount(c, "is the account of the platform, and imports, exports or maps subjects", "nsc delete import, nsc delete export or nsc delete mapping")
	case !c.Limits.IsJSEnabled():
		k.addAccount(c, "is the account of the platform, and has no JetStream",
			"nsc edit account -n ACCOUNT --js-mem-storage 0 --js-disk-storage=-1 --js-streams 16 --js-consumer 64 --js-max-bytes-required --disallow-bearer")
	}
	k.platform, k.platformKey = c.Name, c.Subject
}

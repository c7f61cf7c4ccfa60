package reach

import (
	"strings"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

// MayLackWebSocket adds to a broker's refusal of a bridge that its role may allow no
// WebSocket, if server, as it is shown, is reached by one: roles that older versions made
// do not. Brokers have one answer for this and for a wrong key. renew says by what the
// role is renewed.
func MayLackWebSocket(f *cause.Failure, server, role, renew string) {
	if !strings.HasPrefix(server, "wss://") && !strings.HasPrefix(server, "ws://") {
		return
	}
	f.Got += "; or role " + role + " there allows no WebSocket, as when an older version made it"
	f.Do = f.Cure() + " If the account is older than this version, renew its role for wss://: " + renew + "."
}

// RenewBridge and RenewStore say by what the roles of bridges are renewed.
const (
	RenewBridge = "'fairlead-broker tenant update', or with nsc tenant.sh and push.sh"
	RenewStore  = "'fairlead-broker store add', or with nsc platform.sh and push.sh"
)

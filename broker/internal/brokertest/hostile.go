package brokertest

import "github.com/fairlead-io/fairlead/subjects"

// Victim and its peers are the names whose messages no other user may see or send.
const (
	Victim         = "victim"
	VictimInstance = "a1"
	VictimBridge   = "b1"
	Bystander      = "bystander"
)

// Tree is one subject of each form there is, all of them the victim's: two of
// bridges to agents, two of agents to bridges, one of NATS to bridges.
var Tree = []string{
	subjects.Down(Victim, VictimInstance, VictimBridge),
	subjects.DownAll(Victim, VictimBridge),
	subjects.Up(VictimBridge, Victim, VictimInstance),
	subjects.UpAll(Victim, VictimInstance),
	subjects.NoResponders(VictimBridge, Victim, VictimInstance, 1),
}

// Foreign are subjects that no part uses within a tenant.
var Foreign = []string{
	"_INBOX.x", "$SYS.REQ.SERVER.PING", "$JS.API.STREAM.CREATE.x", "$JS.API.CONSUMER.CREATE.x",
}

// Hostile are user names that a careless signer could be brought to sign.
var Hostile = []string{
	Bystander, "*", ">", "*.*", "*.>", "_", "_.*", "_.*.*", "_.>",
	Victim + ".*", Victim + ".>", Victim + "." + VictimInstance, Victim + "._",
	Victim + "." + VictimInstance + "." + VictimBridge,
	"_." + Victim + "." + VictimInstance, "_." + Victim, "*." + Victim, "*." + Victim + "." + VictimInstance,
	VictimInstance, VictimBridge, "",
}

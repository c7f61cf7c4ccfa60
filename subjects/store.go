package subjects

// The shared store of the bridges is JetStream of one NATS account, which no tenant
// shares. Its streams:
//
//	KV_fairlead-approvals     $KV.fairlead-approvals.<key>  requests for access
//	FAIRLEAD_AUDIT            fairlead.audit.<kind>         audit events
//	OBJ_fairlead-recordings   $O.fairlead-recordings.>      recorded sessions
//
// Bridges create a stream that is missing, with INFO and CREATE. They may neither
// update, purge nor delete one, and have no consumers: a consumer delivers to a subject
// that its maker chooses, with the server's rights and not the maker's.
const (
	// StoreAccount is the name of the account. It is not a DNS label, so no tenant has
	// it.
	StoreAccount = "PLATFORM"
	// RoleStore is the role name of the account's scoped signing key, with which bridges
	// mint their users. The user's name is the bridge's id.
	RoleStore = "store"
	// RoleSteward is the role name of another scoped signing key of the account, which its
	// operator keeps. Its users administer streams: sizes, copies, backups, consumers of
	// audit events. Whoever may change or restore a stream decides what is in it: they are
	// trusted like a bridge.
	RoleSteward = "steward"

	// StoreApprovals is a bucket of keys and values.
	StoreApprovals = "fairlead-approvals"
	// StoreRecordings is a bucket of objects.
	StoreRecordings = "fairlead-recordings"
	// StoreAudit is a stream; StoreAuditSubject is what events are published to.
	StoreAudit        = "FAIRLEAD_AUDIT"
	StoreAuditSubject = "fairlead.audit.request"

	// StoreApprovalsStream and StoreRecordingsStream are the streams below the two
	// buckets, named as every client of NATS names them.
	StoreApprovalsStream  = "KV_" + StoreApprovals
	StoreRecordingsStream = "OBJ_" + StoreRecordings
)

// Sizes of the streams in bytes on each broker that keeps a copy, where the bridges are
// not told others. Each stream reserves its size, so that audit and recordings cannot
// take the room of approvals.
const (
	StoreApprovalsBytes  = 64 << 20 // the requests, of about 8 KiB at most as callers can make them, and old versions until they are compacted
	StoreAuditBytes      = 1 << 30  // about a million events
	StoreRecordingsBytes = 2 << 30
	// StoreBytes is what a broker needs for all of them.
	StoreBytes = StoreApprovalsBytes + StoreAuditBytes + StoreRecordingsBytes
)

// StoreAllowPub are the subjects to which role store may publish. The first group
// asks JetStream, the second writes.
func StoreAllowPub() []string {
	return []string{
		"$JS.API.STREAM.INFO." + StoreApprovalsStream,
		"$JS.API.STREAM.CREATE." + StoreApprovalsStream,
		"$JS.API.STREAM.MSG.GET." + StoreApprovalsStream,
		"$JS.API.STREAM.INFO." + StoreAudit,
		"$JS.API.STREAM.CREATE." + StoreAudit,
		"$JS.API.STREAM.INFO." + StoreRecordingsStream,
		"$JS.API.STREAM.CREATE." + StoreRecordingsStream,
		"$JS.API.STREAM.MSG.GET." + StoreRecordingsStream,

		"$KV." + StoreApprovals + ".*",
		"fairlead.audit.*",
		"$O." + StoreRecordings + ".C.*",
		"$O." + StoreRecordings + ".M.*",
	}
}

// StoreAllowSub are the subjects to which role store may subscribe: the bridge's own
// inbox, and changes of approvals as they are published.
func StoreAllowSub() []string {
	return []string{StoreInbox("{{name()}}") + ".>", "$KV." + StoreApprovals + ".*"}
}

// StoreInbox is the prefix of the subjects on which a bridge gets answers of
// JetStream: its client's inbox prefix.
func StoreInbox(bridge string) string { return "_INBOX." + bridge }

// StewardAllowPub are the subjects to which role steward may publish: what it takes to
// look at the three streams, change, move, remove, save and restore them, and to have
// consumers of the audit stream. It creates no stream, publishes to none, and has no
// consumers of approvals and recordings.
func StewardAllowPub() []string {
	list := []string{"$JS.API.INFO", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST"}
	for _, stream := range []string{StoreApprovalsStream, StoreAudit, StoreRecordingsStream} {
		for _, call := range []string{"INFO", "UPDATE", "DELETE", "SNAPSHOT", "RESTORE", "LEADER.STEPDOWN", "PEER.REMOVE", "MSG.GET"} {
			list = append(list, "$JS.API.STREAM."+call+"."+stream)
		}
		list = append(list, "$JS.SNAPSHOT.ACK."+stream+".*", "$JS.SNAPSHOT.RESTORE."+stream+".*")
	}
	for _, call := range []string{"NAMES", "LIST", "CREATE"} {
		list = append(list, "$JS.API.CONSUMER."+call+"."+StoreAudit)
	}
	for _, call := range []string{"DURABLE.CREATE", "INFO", "DELETE", "PAUSE", "MSG.NEXT", "LEADER.STEPDOWN"} {
		list = append(list, "$JS.API.CONSUMER."+call+"."+StoreAudit+".*")
	}
	return append(list, "$JS.API.CONSUMER.CREATE."+StoreAudit+".>", "$JS.ACK."+StoreAudit+".>")
}

// StewardAllowSub are the subjects to which role steward may subscribe: the user's own
// inbox.
func StewardAllowSub() []string { return []string{StewardInbox("{{name()}}") + ".>"} }

// StewardInbox is the prefix of the subjects on which a steward gets answers and events.
// It is not that of bridges, who choose the names of their users.
func StewardInbox(name string) string { return "_INBOX_STEWARD." + name }

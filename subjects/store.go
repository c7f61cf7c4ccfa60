package subjects

import "slices"

// The shared store of the bridges is JetStream of one NATS account, which no tenant
// shares. Its streams:
//
//	KV_fairlead-approvals    $KV.fairlead-approvals.<key>                         requests for access
//	FAIRLEAD_AUDIT           fairlead.audit.<kind>                                audit events
//	OBJ_fairlead-recordings  $O.fairlead-recordings.>                             recorded sessions
//	KV_fairlead-inventory    $KV.fairlead-inventory.<tenant>.<cluster>            the last known state of clusters
//	FAIRLEAD_EVENTS          fairlead.events.<tenant>.<cluster>                   what happened to clusters
//	KV_fairlead-settings     $KV.fairlead-settings.<tenant>.<cluster>             settings of agents
//	KV_fairlead-operations   $KV.fairlead-operations.<tenant>.<cluster>.<id>      work for clusters that are offline
//	KV_fairlead-leases       $KV.fairlead-leases.<name>                           which bridge does what only one may do
//
// Bridges create a stream that is missing, with INFO and CREATE. They may neither
// update, purge nor delete one. They have no consumers and no direct gets: both deliver
// stored messages to a subject that the bridge chooses, with the server's rights and not
// the bridge's.
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

	// StoreInventory, StoreSettings, StoreOperations and StoreLeases are buckets of keys
	// and values, and below them are the streams of [StoreBucketStream].
	StoreInventory  = "fairlead-inventory"
	StoreSettings   = "fairlead-settings"
	StoreOperations = "fairlead-operations"
	StoreLeases     = "fairlead-leases"
	// StoreEvents is a stream; StoreEventsPrefix is before tenant and cluster in the
	// subjects of its events.
	StoreEvents       = "FAIRLEAD_EVENTS"
	StoreEventsPrefix = "fairlead.events."
)

// StoreBucketStream is the stream below a bucket of keys and values.
func StoreBucketStream(bucket string) string { return "KV_" + bucket }

// StoreBucketPrefix is before the key in the subject of a value.
func StoreBucketPrefix(bucket string) string { return "$KV." + bucket + "." }

// Sizes of the streams in bytes on each broker that keeps a copy, where the bridges are
// not told others. Each stream reserves its size, so that audit and recordings cannot
// take the room of approvals.
const (
	StoreApprovalsBytes  = 64 << 20 // the requests, of about 8 KiB at most as callers can make them, and old versions until they are compacted
	StoreAuditBytes      = 1 << 30  // about a million events
	StoreRecordingsBytes = 2 << 30
	StoreInventoryBytes  = 128 << 20 // 10,000 clusters of about 8 KiB, and old versions until they are compacted
	StoreEventsBytes     = 256 << 20 // about half a million events
	StoreSettingsBytes   = 64 << 20  // as inventory, and they change seldom
	StoreOperationsBytes = 256 << 20 // their bodies; a full queue is refused
	StoreLeasesBytes     = 8 << 20   // some, each of a few hundred bytes, renewed every few seconds
	// StoreBytes is what a broker needs for all of them.
	StoreBytes = StoreApprovalsBytes + StoreAuditBytes + StoreRecordingsBytes +
		StoreInventoryBytes + StoreEventsBytes + StoreSettingsBytes + StoreOperationsBytes + StoreLeasesBytes
)

// StoreAllowPub are the subjects to which role store may publish. The first group
// asks JetStream, the second writes.
func StoreAllowPub() []string {
	ask, write := storeFirstAsk(), storeFirstWrite()
	for _, stream := range storeLater() {
		ask = append(ask, "$JS.API.STREAM.INFO."+stream, "$JS.API.STREAM.CREATE."+stream, "$JS.API.STREAM.MSG.GET."+stream)
	}
	return slices.Concat(ask, write, storeLaterWrite())
}

// storeFirstAsk and storeFirstWrite are what role store has had since there is one.
func storeFirstAsk() []string {
	return []string{
		"$JS.API.STREAM.INFO." + StoreApprovalsStream,
		"$JS.API.STREAM.CREATE." + StoreApprovalsStream,
		"$JS.API.STREAM.MSG.GET." + StoreApprovalsStream,
		"$JS.API.STREAM.INFO." + StoreAudit,
		"$JS.API.STREAM.CREATE." + StoreAudit,
		"$JS.API.STREAM.INFO." + StoreRecordingsStream,
		"$JS.API.STREAM.CREATE." + StoreRecordingsStream,
		"$JS.API.STREAM.MSG.GET." + StoreRecordingsStream,
	}
}

func storeFirstWrite() []string {
	return []string{
		"$KV." + StoreApprovals + ".*",
		"fairlead.audit.*",
		"$O." + StoreRecordings + ".C.*",
		"$O." + StoreRecordings + ".M.*",
	}
}

// storeLaterWrite is what role store writes to besides.
func storeLaterWrite() []string {
	return []string{
		StoreBucketPrefix(StoreInventory) + "*.*",
		StoreEventsPrefix + "*.*",
		StoreBucketPrefix(StoreSettings) + "*.*",
		StoreBucketPrefix(StoreOperations) + "*.*.*",
		StoreBucketPrefix(StoreLeases) + "*",
	}
}

// StoreAllowSub are the subjects to which role store may subscribe: the bridge's own
// inbox, and changes as they are published.
func StoreAllowSub() []string {
	list := storeFirstSub()
	for _, bucket := range []string{StoreInventory, StoreSettings, StoreOperations, StoreLeases} {
		list = append(list, StoreBucketPrefix(bucket)+">")
	}
	return append(list, StoreEventsPrefix+">")
}

func storeFirstSub() []string {
	return []string{StoreInbox("{{name()}}") + ".>", "$KV." + StoreApprovals + ".*"}
}

// StoreLeastPub and StoreLeastSub are what every role store has, however old: what
// approvals, audit and recordings need. A role without the rest is widened by
// 'fairlead-broker store add', and until then bridges go without what needs the rest.
func StoreLeastPub() []string { return append(storeFirstAsk(), storeFirstWrite()...) }

// StoreLeastSub is described at [StoreLeastPub].
func StoreLeastSub() []string { return storeFirstSub() }

// StoreInbox is the prefix of the subjects on which a bridge gets answers of
// JetStream: its client's inbox prefix.
func StoreInbox(bridge string) string { return "_INBOX." + bridge }

// StewardAllowPub are the subjects to which role steward may publish: what it takes to
// look at the streams, change, move, remove, save and restore them, and to have
// consumers of the audit stream. It creates no stream, publishes to none, and has no
// consumers of the others.
func StewardAllowPub() []string {
	list := []string{"$JS.API.INFO", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST"}
	for _, stream := range StoreStreams() {
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

// StoreStreams are the names of all streams of the store.
func StoreStreams() []string {
	return append([]string{StoreApprovalsStream, StoreAudit, StoreRecordingsStream}, storeLater()...)
}

// storeLater are the streams that the first roles did not have.
func storeLater() []string {
	return []string{StoreBucketStream(StoreInventory), StoreEvents, StoreBucketStream(StoreSettings), StoreBucketStream(StoreOperations), StoreBucketStream(StoreLeases)}
}

// StewardAllowSub are the subjects to which role steward may subscribe: the user's own
// inbox.
func StewardAllowSub() []string { return []string{StewardInbox("{{name()}}") + ".>"} }

// StewardInbox is the prefix of the subjects on which a steward gets answers and events.
// It is not that of bridges, who choose the names of their users.
func StewardInbox(name string) string { return "_INBOX_STEWARD." + name }

package store

import (
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-io/fairlead/subjects"
)

// Approvals is the stream of the bucket of approvals: the last value of each key.
func Approvals() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: subjects.StoreApprovalsStream, Subjects: []string{"$KV." + subjects.StoreApprovals + ".>"},
		Description: "Fairlead: requests for access", MaxBytes: subjects.StoreApprovalsBytes, MaxMsgsPerSubject: 1,
		MaxMsgSize: 64 << 10, Discard: jetstream.DiscardNew,
	}
}

// Audit is the stream of audit events. When it is full, the oldest go, as files do that
// are rotated.
func Audit(maxBytes int64, maxAge time.Duration) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: subjects.StoreAudit, Subjects: []string{"fairlead.audit.>"},
		Description: "Fairlead: audit events", MaxBytes: maxBytes, MaxAge: maxAge, Discard: jetstream.DiscardOld,
	}
}

// Recordings is the stream of the bucket of recorded sessions. When it is full, it takes
// no more: a session that must be recorded is then refused, and no older one is lost.
func Recordings(maxBytes int64, maxAge time.Duration) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        subjects.StoreRecordingsStream,
		Subjects:    []string{"$O." + subjects.StoreRecordings + ".C.>", "$O." + subjects.StoreRecordings + ".M.>"},
		Description: "Fairlead: recorded sessions", MaxBytes: maxBytes, MaxAge: maxAge, Discard: jetstream.DiscardNew,
	}
}

// Values of the buckets, in bytes at most. JetStream refuses a larger one.
const (
	maxState     = 128 << 10 // of a cluster with many instances
	maxSettings  = 64 << 10
	maxOperation = 1 << 20 // with the body of its request
	maxLease     = 4 << 10
	maxEvent     = 64 << 10
)

// operationsAge is how long an operation and its result are kept after its last change.
const operationsAge = 30 * 24 * time.Hour

// Inventory is the stream of the bucket of clusters' last known states.
func Inventory() jetstream.StreamConfig {
	return bucket(subjects.StoreInventory, "the last known state of clusters", subjects.StoreInventoryBytes, maxState)
}

// Settings is the stream of the bucket of agents' settings.
func Settings() jetstream.StreamConfig {
	return bucket(subjects.StoreSettings, "settings of agents", subjects.StoreSettingsBytes, maxSettings)
}

// Operations is the stream of the bucket of queued operations. An operation that has not
// changed for 30 days is forgotten.
func Operations() jetstream.StreamConfig {
	c := bucket(subjects.StoreOperations, "operations for clusters that are offline", subjects.StoreOperationsBytes, maxOperation)
	c.MaxAge = operationsAge
	return c
}

// Leases is the stream of the bucket that says which bridge does what only one may do.
func Leases() jetstream.StreamConfig {
	return bucket(subjects.StoreLeases, "leases of bridges", subjects.StoreLeasesBytes, maxLease)
}

// bucket keeps the last value of each key, and takes no more when it is full.
func bucket(name, what string, maxBytes int64, maxValue int32) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: subjects.StoreBucketStream(name), Subjects: []string{subjects.StoreBucketPrefix(name) + ">"},
		Description: "Fairlead: " + what, MaxBytes: maxBytes, MaxMsgsPerSubject: 1, MaxMsgSize: maxValue, Discard: jetstream.DiscardNew,
	}
}

const (
	// eventsAge is how long events are kept.
	eventsAge = 30 * 24 * time.Hour
	// eventsWindow is for how long the same event of another bridge is known by its id.
	eventsWindow = 2 * time.Minute
)

// Events is the stream of what happened to clusters. When it is full, the oldest go.
func Events() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: subjects.StoreEvents, Subjects: []string{subjects.StoreEventsPrefix + ">"}, Description: "Fairlead: what happened to clusters",
		MaxBytes: subjects.StoreEventsBytes, MaxAge: eventsAge, MaxMsgSize: maxEvent, Duplicates: eventsWindow, Discard: jetstream.DiscardOld,
	}
}

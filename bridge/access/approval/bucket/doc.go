// Package bucket keeps access requests in the bridges' shared store: a bucket of keys and
// values in JetStream, which several bridges use at once.
//
// The bucket has a key for each place that a request can have, and each write names the
// version that it replaces. So the bound on requests holds over all bridges, and of two
// changes of one request one fails. A bridge reads the messages of the bucket's stream in
// their order, at least twice a second and whenever it hears that somebody writes: it
// needs no consumer, which role store is not allowed.
//
// Invariants:
//
//   - What [Bucket.Put] has acknowledged is on the disks of a quorum of brokers.
//   - A bridge that has read nothing for [confirmFor] does not know of an end that another
//     one acknowledged: [Bucket.Err] says so, and no approval counts there.
//   - No call waits longer than a few of [store.Timeout].
//
// Goroutines: one, which ends with [Bucket.Close].
package bucket

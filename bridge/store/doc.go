// Package store is the bridges' shared store: JetStream of the brokers, in an account
// that no tenant shares. It has what several bridges must agree on or must not lose
// with one of them: approvals, audit events and recordings, and what they know of
// clusters. Package subjects names the streams, and what role store may do with them.
//
// [Open] connects in the background, with users that the bridge mints from the role's
// signing key, each for an hour. [Store.Stream] returns a stream and creates it if it
// is missing.
//
// Invariants:
//
//   - Nothing waits for long: without a connection each operation fails at once, and a
//     question that JetStream does not answer fails after [Timeout].
//   - A stream is used only if nobody can take back what is acknowledged: it is on
//     disk, and its messages can be neither deleted nor purged.
//   - A bridge creates streams, and never changes or removes one.
//   - What the role does not allow fails at once, and names the right ([ErrNoRight]): an
//     account that an older version made has fewer.
//
// Goroutines: those of the connection, and one that renews the user. They end with
// [Store.Close].
package store

// Package operations queues requests for clusters that are offline, and executes them
// when their agents are back.
//
// An operation is a value of the bucket that all bridges share, under its tenant, cluster
// and id. It is acknowledged when the brokers have it. Each bridge follows the bucket and
// keeps an [index] of all operations in memory, without their bodies. Which clusters are
// back it knows from its directories, also in memory. For a cluster that is online and has
// operations it competes for the cluster's lease, and its holder executes them.
//
// Invariants:
//
//   - An operation is one that can be sent twice: a server-side apply, a delete with
//     preconditions, a patch of one version of an object.
//   - Its id is derived from its caller, cluster and Idempotency-Key, so that the bucket's
//     compare-and-set makes it once, at whatever bridges it is asked for.
//   - The queue of a cluster is in the order of the revisions with which operations were
//     created. The first is brought to a final state before the next is begun, whatever
//     that state is.
//   - It is marked as running before it is sent, and each change is made by
//     compare-and-set. A holder that finds it running does not know whether it was
//     executed, sends it again, and judges the answer as one to a repetition: what then
//     cannot be told ends as unknown.
//   - A value has the fencing number of the lease under which it was changed. A holder that
//     finds a greater one leaves the cluster alone, for as long as its owner may live.
//   - It is admitted by the door of package access when it is queued, and again, without
//     its caller's credential, when it is executed: as the same user, or not at all.
//   - What is executed was signed by a bridge: whoever can write to the bucket, and has not
//     the key by which bridges reach tenants, cannot make or change an operation. It can
//     remove one, or have it executed again until it expires.
//   - The bucket has no credentials, and of what has ended neither the body nor what grants
//     look at of its caller.
//   - The bridge that changes an operation appends the event, and so does every other one
//     that reads the change from the bucket; the log keeps one.
//   - Nothing polls the bucket: a watch follows it, and a cluster's operations are listed
//     once by each holder of its lease.
//
// Goroutines, all of [Service.Run], which waits for them: one that watches, one that
// expires what was not begun in time, one for each tenant for whose clusters operations
// wait, and up to [maxWorkers] that hold a cluster's lease or wait for it.
//
// Locks: the index's may be taken while the dispatcher's is held, never the reverse.
package operations

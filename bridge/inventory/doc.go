// Package inventory says which clusters there are, and how they are: GET /v1/clusters,
// and what other parts of the bridge select clusters by.
//
// Invariants:
//
//   - A caller is told of no cluster that it may not see, neither by a list nor by where
//     a page of it ends, nor by how long a list takes: what is decided of a cluster's
//     visibility does not depend on its state or labels.
//   - A list is by tenant and name, and so are its pages: a cluster that is there all the
//     time is on exactly one of them.
//   - A query that may mean something else than it says (a parameter that is unknown, given
//     twice, or not encoded as it should be) is refused: a selector that is not read would
//     select every cluster.
//   - Labels are those that a cluster's agent tells, and over them the operator's of the
//     access file. They select clusters; what a caller may do is decided by the operator's
//     alone.
//   - One tenant's fault does not keep the others from a list.
//   - A list waits until its tenant's agents have been heard, or those of all clusters that are
//     connected by their records. An agent that no bridge ever heard may be missing in the
//     second case, until it announces itself.
//   - No event is told of a cluster before its tenant's agents have been heard, while the
//     link is down, or within the grace of a lost agent; nor that it is gone while another
//     bridge sees it.
//   - An answer is encoded as its clusters are found, a few at a time, and is written when it is
//     whole: until then it can be a failure. No lock is held meanwhile, and no other memory than
//     the answer's, which is free as far as the client has read it.
//   - Bridges that see the same change name its events alike, by a number of the cluster
//     that grows with each, so that the log keeps one of each.
//   - The store is written on changes, and once a minute for when a cluster was seen, by one
//     of the bridges. Where it cannot be written, lists and events go on from memory. A
//     cluster that comes and goes all the time is judged every 10 s.
//
// [Watcher] keeps every tenant connected, so that a list is complete at once, asks brokers
// about agents that are silent, and tells of changes. Without one a list connects the
// tenants, and waits until their agents have been heard.
//
// Locks are taken in this order: shelf.mu, then those of the log of events.
//
// Goroutines: [Watcher.Run] has one for each tenant, and at first two more until the tenant's
// agents have been heard; one that follows the store, and [writers] that write to it. A list
// has one for each tenant while it waits for it.
package inventory

// Package inventory says which clusters there are, and how they are: GET /v1/clusters,
// and what other parts of the bridge select clusters by.
//
// Invariants:
//
//   - A caller is told of no cluster that it may not see, neither by a list nor by where
//     a page of it ends.
//   - A list is by tenant and name, and so are its pages: a cluster that is there all the
//     time is on exactly one of them.
//   - A query that may mean something else than it says (a parameter that is unknown, given
//     twice, or not encoded as it should be) is refused: a selector that is not read would
//     select every cluster.
//   - Labels are those that a cluster's agent tells, and over them the operator's of the
//     access file. They select clusters; what a caller may do is decided by the operator's
//     alone.
//   - One tenant's fault does not keep the others from a list.
//
// [Watcher] keeps every tenant connected, so that a list is complete at once. Without one a
// list connects the tenants, and waits until their agents have been heard.
//
// Goroutines: [Watcher.Run] has one for each tenant; a list has one for each tenant while it
// waits for it.
package inventory

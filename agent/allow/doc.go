// Package allow is the second lock: the list in which the owner of a cluster says
// what the agent executes, whatever the platform grants. Without a list the rights of
// the agent's service account are the only boundary in the cluster.
//
// A [List] judges one request. A [Guard] keeps a list in step with its file and ends
// the running requests that a changed list no longer allows. [Warnings] are for owners
// who write one.
//
// Invariants:
//
//   - What a list does not allow is refused before anything is sent to the API server.
//     A list that cannot be read allows nothing.
//   - A request is judged by what the API server makes of its method and target (package
//     requestinfo), and by the identity of the head's extension. Headers decide nothing,
//     except that an upgrade counts as one.
//   - A request that can be read in two ways is refused.
//   - Wildcards never cover what gives power over the cluster or over the list itself:
//     names that begin with "system:", service accounts of kube-system, and changes in
//     the agent's own namespace.
//   - A changed list that cannot be used leaves the last good one in force.
//
// It starts no goroutine: [Guard.Run] uses its caller's.
package allow

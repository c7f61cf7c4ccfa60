// Package requestinfo says what an API server makes of a request: the verb, the
// resource and the namespace on which its authorization decides. Both ends use it,
// the bridge for grants and audit, the agent for the allow-list of the cluster's
// owner, so that no two judges read one path differently.
//
// Invariants:
//
//   - The parser is the API server's own, k8s.io/apiserver, for the paths that it
//     serves.
//   - What is kept of a request depends on its method and target alone, and never has
//     the target of a subresource, such as the command line of an exec.
//   - A path that servers and proxies may read in different ways is marked
//     [Info.Ambiguous], so that no restricted rule permits it.
package requestinfo

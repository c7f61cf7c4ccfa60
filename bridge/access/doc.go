// Package access is the one door through which every request to a cluster goes,
// whether it comes through /k8s or as a call in JSON. It decides who the caller
// is, whether the caller may reach the cluster, and for how long.
//
// [Door.Enter] authenticates the caller, reads the cluster's name, checks that a
// grant covers it, and refuses requests to impersonate another user. It returns an
// [Admission], which applies while the request runs: the request ends when the
// credential is revoked or its grants no longer cover the cluster.
//
// A grant is what a credential permits: the clusters that its caller may reach.
// [Authenticator] and [Authorizer] are the places for other identities and grants;
// package token implements the first, [Grants] the second.
//
// Invariants:
//
//   - Denied by default: no credentials, no caller; no grant, no cluster.
//   - A request that asks to impersonate another user is refused, not executed
//     with the rights of the agent (decision 0011).
//   - Each cause of a refusal has its own text. None reveals whether a cluster that
//     the caller may not reach exists, and none contains a secret.
//   - The package knows HTTP headers, but not streams, NATS or Kubernetes.
//   - A held request needs no goroutine while nothing changes.
package access

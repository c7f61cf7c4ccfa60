// Package access is the one door through which every request to a cluster goes,
// whether it comes through /k8s or as a call in JSON. It decides who the caller
// is, whether the caller may reach the cluster, and for how long.
//
// [Door.Enter] authenticates the caller, reads the cluster's name, checks the
// grant, and refuses requests to impersonate another user. The [Grant] that it returns
// applies to running requests too: they end when the credential is revoked or no
// longer grants the cluster. [Authenticator] and [Authorizer] are where other
// identities and grants come in; package token has the first, [Grants] the second.
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

// Package access is the one door through which every request to a cluster goes,
// whoever makes it: /k8s, calls as JSON, and what is built later. It says who
// calls, whether the caller may reach the cluster, and for how long.
//
// [Door.Enter] authenticates the caller, reads the cluster's name, checks the
// grant, and refuses requests to act as somebody else. The [Grant] that it returns
// holds running requests to it: when the credential is revoked, or no longer
// grants the cluster, they end. [Authenticator] and [Authorizer] are where other
// identities and grants come in; package token has the first, [Grants] the second.
//
// Invariants:
//
//   - Denied by default: no credentials, no caller; no grant, no cluster.
//   - A request with a header that asks to act as somebody else is refused, not
//     served as the agent, which may do more (decision 0011).
//   - Each cause of a refusal has its own text. None tells whether a cluster exists
//     that the caller may not reach, and none contains a secret.
//   - It knows HTTP headers, and nothing of streams, NATS or Kubernetes.
//   - It costs no goroutine while nothing changes.
package access

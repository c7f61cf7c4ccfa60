// Package access is the one door through which every request to a cluster goes,
// whether it comes through /k8s or as a call in JSON. It decides who the caller
// is, whether the caller may reach the cluster, and for how long.
//
// [Door.Enter] authenticates the caller, reads the cluster's name, and asks an
// [Authorizer] for a [Decision]: the grant that lets the request in, and the user as
// whom it is executed. It returns an [Admission], which applies while the request runs:
// the request ends when the credential or the decision does, unless it is still allowed
// as the same user (decision 0016).
//
// [Authenticator] and [Authorizer] are the places for identities and grants. The
// packages below this one implement them; [TokenClusters], here, is for callers whose
// token names clusters. [Rules] are one version of both and of the limits, which a [Visitor]
// keeps.
//
// Invariants:
//
//   - Denied by default: no credentials, no caller; no grant, no cluster.
//   - A request is decided about by one version of the rules, and again by another one
//     as a whole: it never meets the issuers of one and the grants of another. A refusal by
//     rules that were replaced meanwhile does not count.
//   - A request that asks to impersonate another user is refused unless a grant allows
//     it, and never executed with the rights of the agent (decision 0011).
//   - Each cause of a refusal has its own text. None reveals whether a cluster that
//     the caller may not reach exists, and none contains a secret.
//   - The package knows HTTP headers, and by deploy/requestinfo what a request means to an
//     API server, but neither streams nor NATS.
//   - A held request needs no goroutine while nothing changes.
package access

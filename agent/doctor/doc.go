// Package doctor looks at an agent's path to its brokers and to its API server, a hop
// after the other, by the steps that a running agent takes.
//
// Invariants:
//
//   - It does not disturb a running agent of the same cluster. Its connection to the
//     broker has a name of its own, it announces no presence, and it subscribes to the
//     frames of an instance that nobody knows. It does not subscribe to queries of
//     presence: then a bridge would not learn at once that the cluster has no agent.
//   - Nothing is changed in the cluster: the API server is asked by reads and by
//     reviews of access, which it does not keep.
//   - No secret is reported: of the credentials only names, public keys and the
//     expiry, of a proxy neither user nor password.
//   - Each target has a bound, Config.Timeout. The targets are looked at one after the
//     other.
//
// It starts no goroutines but those of nats.go and net/http, and none outlives [Run].
package doctor

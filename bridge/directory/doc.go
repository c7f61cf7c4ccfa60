// Package directory knows which clusters of one tenant are connected and
// through which agent instances. It is fed with the presence that agents
// announce, and asked by every request for an instance to open a stream on.
//
// Invariants:
//
//   - It learns only from presence: a cluster that nobody has announced since
//     the bridge began to listen to the tenant has "never connected" as far as
//     this bridge can tell. It is unknown only where a complete list of the
//     tenant's clusters was configured and does not have it.
//   - Whether an instance lives is computed when asked, from when it was last
//     heard: there is no goroutine and no timer per cluster or instance.
//   - An instance of which the broker says that nobody listens for it is not
//     picked until it is heard again; nor is one that was silent for
//     [Config].PeerTimeout.
//   - Silence counts only while the bridge's own link is up. Who cannot hear
//     declares nobody dead.
//   - [Directory.Pick] answers at once when the answer is known. It waits in
//     three cases, each with a bound: for the first answer of a cluster not
//     heard of yet ([Config].FirstContact), for an instance that vanished
//     without saying goodbye and for the bridge's own link (both
//     [Config].ReconnectGrace).
//   - What peers can fill is capped: instances per cluster, clusters, and names
//     that were asked for but never heard. A cluster that is offline for
//     [Config].ForgetAfter is as if it had never been heard.
//
// One mutex guards everything; nothing is called while it is held.
package directory

// Package directory knows which clusters of one tenant are connected, and through
// which agent instances. It is fed by the presence messages of agents. Every request
// asks it for an instance to open a stream on.
//
// Invariants:
//
//   - It learns only from presence. A cluster that has not announced itself since
//     the bridge began to listen to the tenant has "never connected" as far as
//     this bridge can tell. A cluster is unknown only where there is a complete
//     list of the tenant's clusters ([Directory.SetClusters]) that lacks it.
//   - Whether an instance is alive is computed when asked, from when it was last
//     heard: there is no goroutine and no timer per cluster or instance.
//   - An instance without subscribers, according to the broker, is not picked until
//     it is heard again. Nor is one that has been silent for [Config].PeerTimeout, or
//     that does not answer a question though it answered the one before ([Directory.Mute]).
//   - Once the link is up again after an outage, instances that have been heard
//     since are picked before those that have not.
//   - Silence counts only while the bridge's own link is up. A bridge that cannot
//     hear declares no instance dead.
//   - A directory outlives the connections that feed it. While there is no
//     connection, its clusters stay known and their instances are forgotten. While
//     the next one is being opened, requests wait as they did for the first.
//   - [Directory.Pick] answers at once when the answer is known. It waits in
//     these cases, each with a bound: for a link that is being opened
//     ([Config].OpenTimeout); for a link that was lost, and for an instance that
//     vanished without a goodbye (both [Config].ReconnectGrace); and for the first
//     presence of a cluster that has not been heard over this link
//     ([Config].FirstContact, or ReconnectGrace if it was connected when the last
//     connection was closed and the broker has not reported it gone).
//   - What peers can fill is bounded (bounds.go): clusters, instances of one and
//     of all clusters, and names that were asked for but never heard. A directory
//     takes less than 128 MiB. An instance that is gone is forgotten, and so is a
//     cluster that has been offline for [Config].ForgetAfter, unless streams are
//     open on it.
//
// One mutex guards everything but the list of clusters, which is replaced as a
// whole. No callback is called while the mutex is held.
package directory

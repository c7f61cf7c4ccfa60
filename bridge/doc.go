// Package bridge is the platform's side of Fairlead: an HTTP server that carries
// each request to the agent of its cluster as one stream over NATS, and the
// answer back. The package itself puts the parts together:
//
//   - access decides who may reach which cluster, and for how long
//   - tunnel carries one request over one stream
//   - platform serves the platform API below /v1, and api has its types
//   - answer is what the bridge says itself
//   - tenant holds the connections to the brokers, directory what is known of
//     clusters and agents
//
// # The path of a request
//
// [Server.ServeHTTP] gives it an id and finds the cluster in the undecoded
// request target (route.go). The door of package access lets it in or refuses it.
// For a cluster's API the tunnel carries it; everything else is the platform's.
// What became of it is logged and counted (server.go, metrics.go).
//
// # Invariants
//
//   - What follows /k8s/clusters/{cluster} in a request target reaches the API
//     server byte for byte.
//   - Nothing reaches a cluster except through access.
//   - A response that breaks ends in a broken connection (HTTP/1) or a reset
//     stream (HTTP/2), never in a clean end.
//   - Nothing limits how long a request takes, or how long it is silent. Time
//     is bounded for headers, for idle connections and for the bridge's own
//     waiting; sizes for heads and for the bodies of /v1.
//   - Goroutines: net/http's, and those of the tunnel, which have ended when a
//     handler returns; one while a drain is logged.
package bridge

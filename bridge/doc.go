// Package bridge is the platform's side of Fairlead: an HTTP server that carries
// each request to the agent of its cluster as one stream over NATS, and the
// response back. The package itself puts the parts together:
//
//   - access decides who may reach which cluster, and for how long
//   - tunnel carries one request over one stream
//   - platform serves the platform API below /v1, and api has its types
//   - ui serves the fleet page below /ui, with what the platform API answers
//   - answer has the answers that come from the bridge itself
//   - tenant has the connections to the brokers, directory what is known about
//     clusters and agents
//
// # The path of a request
//
// [Server.ServeHTTP] gives it an id and finds the cluster in the undecoded
// request target (route.go). Package access admits or refuses it. Package tunnel
// carries requests for a cluster's API; package platform serves all others. The
// outcome is logged and counted (server.go, metrics.go).
//
// # Invariants
//
//   - The part of a request target after /k8s/clusters/{cluster} reaches the
//     API server byte for byte.
//   - No request reaches a cluster except through access.
//   - A response that breaks ends in a broken connection (HTTP/1) or a reset
//     stream (HTTP/2), never in a clean end.
//   - Nothing limits how long a request takes, or how long it is silent. Time
//     is bounded for headers, for idle connections and for the bridge's own
//     waiting; sizes for heads and for the bodies of /v1.
//   - Goroutines: those of net/http, those of the tunnel, which have ended when a
//     handler returns, and one that logs a drain while it lasts.
package bridge

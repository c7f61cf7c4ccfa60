// Package bridge is the platform's side of Fairlead: an HTTP edge that carries
// each request to the agent of its cluster as one stream over NATS, and the
// answer back.
//
// # The way of a request
//
// [Server.ServeHTTP] gives it an id and finds the cluster in the undecoded
// request target (route.go). The caller is authenticated and its grant checked
// (identity). Headers that must not reach an API server are taken off
// (header.go). The tenant's connection is acquired (tenant), an agent instance
// picked (directory), a stream opened with the head and the small body in one
// message, and retried on another instance where that is safe (exchange.go). A
// larger body follows on a goroutine of its own (upload.go) while the response
// is written as it comes (response.go). After a 101 the connection is hijacked
// and bytes are copied both ways (upgrade.go). What goes wrong before a
// response has begun is answered from one table (failure.go).
//
// # Invariants
//
//   - What follows /k8s/clusters/{cluster} in a request target reaches the API
//     server byte for byte.
//   - Neither the caller's credentials nor anything with which a request could
//     claim an identity reaches an agent. A request to act as somebody else is
//     refused.
//   - What takes longer than one answer ends when its caller's credential or
//     grant does (hold.go).
//   - A request that an agent may have seen is sent again only if it is a GET or
//     a HEAD without upgrade, and only before a byte of its response came.
//   - A response that breaks ends in a broken connection (HTTP/1) or a reset
//     stream (HTTP/2), never in a clean end. After a 101 nothing but the
//     upgraded protocol's bytes is written.
//   - Nothing limits how long a request takes, or how long it is silent. Time
//     is bounded for headers, for idle connections and for the bridge's own
//     waiting; sizes for heads and for the bodies of /v1.
//   - Goroutines: net/http's, one per body that is uploaded beside its response
//     and one per upgraded connection; all have ended when the handler returns.
//
// # What net/http does
//
// A client that goes away is noticed by a read in the background once its
// request body has been read; that read takes a half-closed HTTP/1.1 connection
// for a client that is gone, as Go's servers do and as kube-apiserver
// therefore does too. While a body is being uploaded, it is the next read of
// the body that notices; while the API server takes nothing of it, the socket is
// looked at (vanished.go). On an upgraded connection half-closing works both
// ways.
package bridge

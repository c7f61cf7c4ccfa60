// Package tunnel carries one HTTP request to a cluster as one stream, and the
// response back. It knows neither callers nor grants: its user has decided that
// the request may be made, and passes in a [Lease] that says for how long.
//
// # The path of a request
//
// [Tunnel.Serve] makes a relay for it (relay.go). The relay strips headers that
// must not reach an API server (header.go), acquires the tenant's connection
// (package tenant), picks an agent instance (package directory) and opens a
// stream with the head and the small body in one message (exchange.go). If
// that is safe, it tries other instances. A larger body follows in its own
// goroutine (upload.go) while the response is written as it comes
// (response.go). After a 101 the connection is hijacked and bytes are copied
// both ways (upgrade.go). A request that fails before a response has begun is
// answered with a failure of package answer (explain.go). [Tunnel.Call] does
// the same for a request and a response in memory (call.go).
//
// # Invariants
//
//   - Neither credentials of the caller nor anything with which a request could
//     claim an identity reaches an agent.
//   - Uploads, streamed responses and upgraded connections end when their lease
//     does, even if the client does not read.
//   - A request that an agent may have seen is sent again only if it is a GET or
//     a HEAD without upgrade, and only before a byte of its response has come.
//   - A response that breaks ends in a broken connection (HTTP/1) or a reset
//     stream (HTTP/2), never in a clean end. After a 101 nothing but the
//     upgraded protocol's bytes is written, except that a watch over WebSocket
//     gets a close frame when the bridge drains.
//   - Nothing limits how long a request takes, or how long it is silent. Time is
//     bounded for the tunnel's own waiting, sizes for heads and for bodies in
//     memory.
//   - Goroutines: one for each body that is uploaded beside its response and one
//     for each upgraded connection; all have ended when Serve returns.
//
// # What net/http does
//
// A client that goes away is noticed by a read in the background once its
// request body has been read; that read takes a half-closed HTTP/1.1 connection
// for a client that is gone, as Go's servers do and as kube-apiserver
// therefore does too. While a body is being uploaded, it is the next read of
// the body that notices; while the API server takes nothing of it, the socket is
// polled (vanished.go). On an upgraded connection half-closing works both ways.
package tunnel

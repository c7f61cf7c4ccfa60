// Package tunnel carries one HTTP request to a cluster as one stream, and the
// response back. It knows neither callers nor grants: its user has decided that the
// request may be made, and passes in a [Lease] that says how long it may run.
//
// # The path of a request
//
// [Tunnel.Serve] makes a relay for it (relay.go). The relay strips headers that
// must not reach an API server (header.go), acquires the tenant's connection
// (package tenant), picks an agent instance (package directory) and opens a
// stream with the head and a small body in one message (exchange.go). If that is
// safe, it tries other instances. A larger body follows in its own goroutine
// (upload.go) while the response is written as it arrives (response.go), with its
// redirects confined to the cluster (header.go). After a 101 the connection is
// hijacked (upgrade.go) and bytes are copied both ways (duplex.go). A response that
// has begun ends with its lease, or at a drain, as ending.go says. A request that
// fails before its response has begun is answered with a failure of package answer
// (explain.go). [Tunnel.Call] does the same for a request and a response in memory
// (call.go).
//
// # Invariants
//
//   - Neither the caller's credentials nor a header that claims an identity
//     reaches an agent.
//   - A redirect never leads a client to another cluster or another host.
//   - Uploads, streamed responses and upgraded connections end when their lease
//     does, even if the client does not read.
//   - A request that an agent may have seen is sent again only if it is a GET or
//     a HEAD without upgrade, and only before a byte of its response has arrived.
//   - A response that breaks ends in a broken connection (HTTP/1) or a reset
//     stream (HTTP/2), never in a clean end, except that a watch whose lease ends
//     gets a last event with the reason, where its encoding is known and the events
//     before it are whole (package parting). After a 101 nothing but the upgraded
//     protocol's bytes is written, except that an exec gets an outcome and a WebSocket a
//     close frame when the lease ends, and that of a watch when the bridge drains.
//   - Nothing of a response reaches a caller whose lease ended before the response
//     began.
//   - A request may take, and stay silent for, any length of time. Bounded are the
//     times that the tunnel itself waits, and the sizes of heads and of bodies in
//     memory.
//   - Goroutines: one for each body that is uploaded while its response is written,
//     and one for each upgraded connection. All have ended when Serve returns.
//
// # What net/http does
//
// Once a request's body has been read, net/http reads the connection in the
// background and so notices a client that hangs up. It treats a half-closed
// HTTP/1.1 connection as closed, as every Go server does, kube-apiserver included.
// While a body is being uploaded, the next read of the body notices. While the API
// server accepts no more of the body, the socket is polled instead (vanished.go). On
// an upgraded connection each direction can be closed by itself.
package tunnel

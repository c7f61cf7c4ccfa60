// Package dial makes the connections of agents and bridges to a broker: through a
// forward proxy if the environment names one, with TLS, and with the WebSocket
// handshake, so that whatever is in the way is named. nats.go would say "invalid
// websocket connection" or "i/o timeout".
//
// A [Dialer] is for one attempt at one server, and is a custom dialer of nats.go, which
// begins after the greeting of the server. TLS is made here: for tls:// servers, and for
// nats:// servers that demand it, behind the greeting. For wss:// servers a library
// makes the handshake, the frames are this package's own, and nats.go sees a TCP
// connection.
//
// Invariants:
//
//   - One bound, [Timeout], applies to all steps of an attempt together. What
//     proxies and servers send is read up to a stated size, and shown shortened
//     and without control characters.
//   - Every failure of a step is a [cause.Failure]. It has the same texts each time.
//   - [Dialer.Abort] ends every step at once.
//   - Certificates are always verified: the server's against the given TLS
//     configuration, a proxy's as package proxy says.
//   - A redirect to another place is never followed: only the form of the path
//     with or without a trailing slash is tried instead, at the same server.
//   - No byte that arrives after a handshake is lost, and none that arrives
//     before the other end closes: what it says last is usually the reason.
//
// No goroutine outlives an attempt.
package dial

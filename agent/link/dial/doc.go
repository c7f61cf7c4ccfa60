// Package dial makes the agent's connections to a broker: through a forward
// proxy where the environment names one, with TLS for WebSocket, and with the
// WebSocket handshake, so that whatever stands in the way is named as what it
// is. nats.go would say "invalid websocket connection" or "i/o timeout".
//
// A [Dialer] is for one attempt at one server, and is what nats.go calls a
// custom dialer. For tls:// servers nats.go speaks TLS itself, after the
// greeting; of that greeting the first bytes are looked at. For wss:// servers
// everything is done here, and nats.go, which believes in a ws:// server, reads
// the answer to its own handshake.
//
// Invariants:
//
//   - One bound, [Timeout], holds for all steps of an attempt together. What
//     proxies and servers say is read up to a stated size, and shown without
//     control characters, shortened. Only the errors of TLS are as they are:
//     who shows them takes care of the names in them.
//   - [Dialer.Abort] ends every step at once.
//   - Certificates are always verified: the server's against the TLS
//     configuration given, a proxy's against the system's roots.
//   - Passwords in a proxy's URL are in no error. They are sent to that proxy
//     alone.
//   - A redirect is never followed to another place: only the form of the path
//     with or without a slash at its end is tried in its place, at the same
//     server.
//   - No byte that arrives after a handshake is lost, and none that arrives
//     before the other end closes: what it says last is mostly why.
//
// It starts no goroutines.
package dial

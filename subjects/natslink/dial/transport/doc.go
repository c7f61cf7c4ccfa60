// Package transport is how the connections to a broker are secured and what they show
// to the web servers on the way: CAs, a client certificate, a server name, and headers
// of the WebSocket handshake. [Config] names it all, for agents and for others that
// make such connections.
//
// Invariants:
//
//   - Files may be replaced at any time, and may appear later than the process. The
//     next connection uses them; a running one is not touched. A file that is damaged
//     after it was good is logged, and what was read before stays in use.
//   - TLS is of version 1.2 at least, and certificates are always verified.
//   - Values of headers are in no log line and in no error.
//   - A fault of a file is a [cause.Failure] that names the file and its flag.
//
// It starts no goroutines.
package transport

// Package front handles the proxies in front of the bridge: it decides which peers
// are trusted to name a caller's address, and reads the address that they name. An
// HTTP proxy adds X-Forwarded-For or Forwarded to a request; a TCP proxy begins a
// connection with a PROXY protocol header.
//
// # Invariants
//
//   - A peer that is not trusted never decides which address is logged.
//   - The address is for logs. Nothing is allowed or refused because of it.
//   - An unexpected PROXY header is logged as such, at level warn. TLS would only
//     report a malformed handshake.
//
// The package starts no goroutine. A connection's PROXY header is read by the first
// goroutine that uses the connection, so a peer that sends nothing delays no other
// connection.
package front

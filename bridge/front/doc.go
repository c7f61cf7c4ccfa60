// Package front knows the proxies that stand before the bridge: which peers are
// trusted to name the address of a caller, and the two ways in which they do.
// A proxy of HTTP adds X-Forwarded-For or Forwarded to a request; a proxy of TCP
// begins a connection with a PROXY protocol header.
//
// # Invariants
//
//   - A peer that is not trusted never decides which address is logged.
//   - The address is for logs. Nothing is allowed or refused because of it.
//   - A PROXY header that arrives although nobody expects one is named in the
//     log, at warn: to TLS it is only a malformed handshake.
//
// The package starts no goroutine. A connection reads its PROXY header in the
// goroutine that uses it first, so a peer that sends nothing delays nobody else.
package front

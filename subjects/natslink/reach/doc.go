// Package reach says how the servers of a broker are reached, for agents and bridges
// alike: by which URLs, with which TLS, headers and forward proxy, which of them may be
// tried now, and how long to wait before the next attempt.
//
// A [Broker] makes the dialer of each attempt ([Broker.Dialer]). An agent chooses the
// server itself, with [Limits]. A connection of nats.go that reconnects by itself has a
// [Redialer], which chooses for it.
//
// Invariants:
//
//   - Files are read by the attempt that needs them. They may be missing at the start,
//     and a changed one takes effect with the next attempt.
//   - A server that asks to be left alone is, for as long as it asks.
//   - The pause between two attempts is at most 10 s, unless every server asks for more.
//   - No secret is in an error: of a URL neither password nor query.
//
// It starts no goroutines.
package reach

// Package tenant holds the bridge's connections to the broker: one for each
// tenant, since a tenant is a NATS account, opened when a request first needs
// it and closed when none has for a while.
//
// Invariants:
//
//   - The bridge has no credentials of a tenant. It mints its own user, named
//     after the bridge and good for [Config].UserTTL, with the key of role
//     bridge that every tenant's account lists. The connection is renewed
//     before the user expires; streams ride over it.
//   - A [Conn] that was acquired is not closed for idleness before it is
//     released. It is closed at once, and its streams reset, when the tenant is
//     taken from the list or its account changes.
//   - Acquire waits for a connection that is being opened, but no longer than a
//     request waits for a cluster that is reconnecting; once opened, a
//     connection comes back by itself and its directory knows when it is down.
//   - A tenant's directory outlives its connections, so that a cluster stays
//     known to be offline; while there is none, its link is down.
//   - An instance that says goodbye gets no more streams; those that it has are
//     left alone. It has ended them itself, and what it sent before may still
//     be on its way: presence and frames are not in order with each other.
//   - A broker that refuses the bridge is asked again for ever; meanwhile
//     requests are told so at once ([Conn.Refusal]).
//
// Goroutines: one janitor per [Pool], one while a connection is being opened,
// one while a query is being sent (at most maxAsking), and those of natslink
// and nats.go for each connection. Close ends them all.
package tenant

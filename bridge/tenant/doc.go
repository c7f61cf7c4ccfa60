// Package tenant holds the bridge's connections to the broker: one for each
// tenant, since a tenant is a NATS account. A connection is opened when a request
// first needs it, and closed when no request has used it for a while.
//
// Invariants:
//
//   - The bridge has no credentials of a tenant. It mints its own user, named
//     after the bridge and valid for [Config].UserTTL, with the key of role
//     bridge that every tenant's account lists. The connection is renewed
//     before the user expires; streams survive that.
//   - A [Conn] that was acquired is not closed for idleness before it is
//     released.
//   - The list of tenants is followed every 250 ms. When a tenant is removed, or
//     its account changes, its connection is closed, its streams are reset and
//     its directory is dropped. When a cluster is removed from a tenant's list,
//     the streams of that cluster are reset. A change of the list affects no other
//     stream. The tenants file is re-read within half a second, so a change of the
//     file takes effect within a second.
//   - A tenant's directory lasts as long as its account. It outlives connections,
//     so that an offline cluster stays known to be offline. The first request
//     after an idle time waits for the new connection as the very first one did.
//   - Requests wait for a connection that is being opened, for at most 5 s from
//     when that began. Once opened, a connection reconnects by itself, and its
//     directory knows when it is down. A connection that could not be opened is
//     replaced by the first request that comes at least 5 s later.
//   - An instance that says goodbye gets no more streams; those that it has are
//     left alone. It has ended them itself, and what it sent before may still
//     be on its way: presence and frames are not in order with each other.
//   - A bridge that the broker refuses keeps trying; meanwhile requests are
//     answered at once, with the reason ([Conn.Refusal]).
//
// Locks are taken in this order: Pool.mu, status.mu, Directory.mu.
//
// Goroutines: one janitor per [Pool], one while a connection is being opened or
// closed, one while queries are being sent (at most maxAsking), and those of
// natslink and nats.go for each connection. Close ends them all.
package tenant

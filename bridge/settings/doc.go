// Package settings keeps what the platform sets of the agents of clusters, and brings it
// to them: the routes /v1/clusters/{cluster}/settings and /v1/settings.
//
// [Desk] keeps the settings of all clusters in memory, as the bridges' shared store has them,
// and sends those of a cluster to its agents, with queries for presence, until each has told
// that it uses or refuses them. [Service] serves the routes.
//
// Invariants:
//
//   - The store decides. A change is answered when the store has it, and what a bridge has
//     in memory is only what it sends. A bridge that may be behind does not send what is
//     older than what an agent already has.
//   - Settings that are deleted leave an empty document behind, so that agents which missed
//     it go back to their own values.
//   - Each bridge delivers by itself, and the one that took a change does at once. The others
//     wait for a random time of up to [spread], so that one message is enough as a rule.
//   - A bridge sends at most [maxSends] messages a [tick], and a message that is not echoed
//     again after 5 s, and up to 60 s.
//   - Nothing but what an agent tells makes settings applied. What it tells is bounded text.
//   - Callers need a grant for the resource settings of the group platform.fairlead.io, which
//     no cluster has: see [target].
//   - A tick looks at the clusters with news, which is what an instance tells or that it has
//     come back, and at those whose instances have not told that they use or refuse the
//     settings. Each other is looked at every half minute.
//
// Goroutines: those of [Desk.Run], which watches the store and delivers, and ends both.
//
// Locks are taken in this order: Desk.mu, then those of packages tenant and directory.
package settings

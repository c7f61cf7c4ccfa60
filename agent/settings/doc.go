// Package settings applies what the platform sets of an agent while it runs.
//
// Invariants:
//
//   - What the cluster's owner fixed wins: a value that the agent's own configuration
//     gives, and every field that is not among [Config].Accept. It is told which fields
//     had no effect.
//   - Settings are applied as a whole or not at all. Those that are refused leave the
//     ones in use.
//   - A restriction only narrows: requests must pass the owner's allow-list as well.
//   - Nothing is kept: an instance begins without settings, and bridges send them again.
//   - Messages never pile up: the latest is kept, and one is applied every [interval].
//
// Goroutines: that of [Applier.Run].
package settings

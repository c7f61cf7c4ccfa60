// Package exchange sends requests to a bridge, again where that is safe, and reads what
// comes back whole or line by line. What requests mean, and what a refusal is as an error,
// is its caller's.
//
// Invariants:
//
//   - A request is sent again only if it cannot have been executed, or if it makes no
//     difference how often it is: see [Request]. How often and how long is bounded by
//     [Limits].
//   - What a response may have in memory is bounded by [MaxBody].
//   - It has no goroutines of its own. A [Bridge] may be used by many at once.
package exchange

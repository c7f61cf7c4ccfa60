// Package follow reads a stream of lines that goes on over many connections to a bridge: one
// is lost, and the next goes on where it was. What lines say, and from where the next
// connection goes on, is that of a [Stream].
//
// Invariants:
//
//   - A connection without a line for as long as [Follower] allows is given up. How long the
//     reader of a line takes does not count.
//   - What comes to nothing from the beginning is tried as often as a request, and what was
//     heard once for as long as the context lasts. What would be refused again is not tried.
//   - A line that was cut off is none.
//   - It has no goroutines of its own.
package follow

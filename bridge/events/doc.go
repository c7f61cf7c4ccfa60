// Package events is the log of what happened to clusters: who writes it appends with
// [Log.Append], and who reads it goes on from where it was.
//
// [Memory] keeps the newest events of one bridge.
//
// Invariants:
//
//   - Every type is in one table (types.go). Texts of an event are bounded, and one line.
//   - A position is of one log. Who reads on from one whose events are no longer kept, or
//     from that of another log, is told so ([Page.Reset]): nothing is skipped silently.
//   - Append never waits for a broker.
//   - The log knows no callers: who may read what is decided where it is read.
package events

// Package events is the log of what happened to clusters: who writes it appends with
// [Log.Append], and who reads it goes on from where it was.
//
// [Memory] keeps the newest events of one bridge. [Durable] is the log of all bridges, in a
// stream of the shared store.
//
// Invariants:
//
//   - Every type is in one table (types.go). Texts of an event are bounded, and one line.
//   - A position is of one log. Who reads on from one whose events are no longer kept, or
//     from that of another log, is told so ([Page.Reset]): nothing is skipped silently.
//   - Append never waits for a broker. What cannot be written waits in bounded memory, and
//     is written once, in order for each cluster. What is given up leaves an event that says
//     so, and a metric.
//   - An event is one of the cluster in its subject, whatever is stored. There are no
//     consumers and no direct gets: see decisions 0017 and 0021.
//   - The log knows no callers: who may read what is decided where it is read.
//
// Goroutines: [Durable.Run] has one that writes, and reads in its caller's. Both start some
// for a batch and wait for them.
package events

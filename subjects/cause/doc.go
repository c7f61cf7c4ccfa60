// Package cause is the closed catalogue of the reasons why a connection fails:
// from an agent or a bridge to a broker, and from an agent to its API server.
// Every failure is told as one [Failure], whoever tells it: the log, /readyz, the
// doctor commands, and the inventory of clusters.
//
// Invariants:
//
//   - A failure has one cause of the catalogue. What fits none is [Unknown] of its
//     hop, never a new name.
//   - An [ID] never changes its meaning: alerts, scripts and older bridges match
//     it. A peer's ID that is not in the catalogue is shown as [Unknown].
//   - The texts of the catalogue hold no facts of one case. What was tried and
//     what came back stand in the Failure, in one line without control characters
//     and without secrets.
//   - docs/troubleshooting.md is generated from this catalogue by "go generate", and has
//     an anchor for each ID.
//
// It does no I/O, and everything in it is safe for concurrent use.
package cause

// Package feed serves the log of events: GET /v1/events, as server-sent events or as pages
// of JSON.
//
// Invariants:
//
//   - An event goes to callers who may know of its cluster when it is sent: the rules are
//     asked for each page, and a stream ends with the caller's credential.
//   - A stream tells what it skips (event reset), and why the bridge ends it (event end).
//     Its last id is never older than the last comment, so that a caller who comes back
//     reads on from there.
//   - A client that takes nothing for [answer.Patience] is gone. It holds up nobody: each stream
//     has its own position in the log, and a page in memory at most.
//   - The streams of a bridge and of one caller are bounded.
//   - When the server leaves, streams end at once, with a hint that spreads when their
//     clients come back.
//
// Goroutines: none; a stream runs in its request's.
package feed

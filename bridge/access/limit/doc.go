// Package limit bounds what callers use: requests a second, concurrent requests,
// streams and bytes a second, each for a caller, a grant and a cluster.
//
// [Limiter.Admit] lets a request in or refuses it with a 429 that says which limit it
// is over and whose. [Usage] is what the request uses while it runs: its bytes go
// through [Usage.Take], and [Usage.Done] gives everything back.
//
// A stream is a request that lasts until its caller ends it: a watch, a followed log,
// or an upgraded connection. All others are requests and count as concurrent while
// they run. Nothing else is limited by both.
//
// Requests over a limit of their caller or over the rate of their grant are refused at
// once. Those over the rate of a cluster wait for a moment, in one queue for each caller,
// and the callers take turns. Those over the concurrent requests of a grant or a cluster
// wait likewise, and the caller that has the fewest requests running is served first. The same holds for a cluster whose
// agents take no more requests. Bytes always wait, and the callers that share a limit of
// bytes take turns.
//
// Invariants:
//
//   - Within any time t no more than limit*t + burst is let through. What waits for a
//     cluster counts for its caller and grant when it comes.
//   - A refused request was not executed, and uses nothing of any limit.
//   - Without configured limits nothing is kept, nothing is locked and nothing waits.
//   - State is bounded: what is idle is forgotten, beginning with what was used least
//     recently.
//   - The package knows neither HTTP nor NATS, and never the credential of a caller.
package limit

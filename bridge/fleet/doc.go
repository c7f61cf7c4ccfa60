// Package fleet makes one request to each of many clusters: POST /v1/requests.
//
// The body is read into a plan (plan.go) with the clusters that it names (choose.go), and
// each of them has a goroutine (run.go). A cluster that is not connected is
// waited for as any request waits for it, but without a slot; then it takes a slot, is
// admitted and asked as a single request would be (package call), and its line is
// written before the slot is given back. The last line is the summary (tally.go).
//
// Other parts of the API do more than one request in each cluster by the same means
// (job.go).
//
// Invariants:
//
//   - Each cluster's request is admitted by itself, and counts for the limits, audit and
//     metrics as one. The name of what a caller may not see answers as a
//     name that nobody has.
//   - The memory of a fleet call is bounded: a response takes freeBytes before it needs a
//     share of the call's poolBytes, from which it takes all that it may need at once, so
//     that no two wait for each other. Until then the rest stays with the cluster but for
//     the stream's window. A slot is held until the line has been taken, so that a client
//     that reads slowly makes the clusters wait and not the memory grow.
//   - Nothing of a cluster is written for a caller whose credential has ended.
//   - What was not begun is named: before the deadline every cluster has a line, or is in
//     the summary.
//   - Goroutines: one a cluster, and none outlives its request.
package fleet

// Package policy reads the access file, which says who may do what, and keeps the
// parts that it configures: authenticators of other packages, and the grants.
//
// Invariants:
//
//   - A file that cannot be used changes nothing: the last good version stays in
//     use. At the start there must be a good one.
//   - A version takes effect at once and as a whole. The requests that it lets in are
//     decided about by it alone.
//   - What has not changed from one version of the file to the next keeps its caches
//     and the leases of its callers. What is gone is closed, which ends the requests
//     that it let in; they are decided about by the new version first.
//   - Denied by default: a caller without a grant, and without clusters of its own
//     token, reaches nothing.
//
// [Policy.Run] needs one goroutine.
package policy

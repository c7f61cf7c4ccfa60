// Package grant decides what callers may do by the grants of the access file: who,
// where, what, and as which Kubernetes user. docs/access-grants.md describes the
// language.
//
// [Grants] is immutable. A changed file makes new ones, and [Grants.Close] of the old
// ones lets running requests be decided again.
//
// Invariants:
//
//   - Denied by default. The first grant that matches a request decides about it;
//     then the clusters of a static token do.
//   - A condition that has no value, as a claim is missing, is false.
//   - A key without a value is an error, so that a list whose items were commented
//     out never allows more than the list did.
//   - A request that servers may read in different ways matches no grant that looks
//     at requests.
//   - Conditions that look at the caller alone are evaluated once for each
//     [access.Caller]. What is kept for a caller goes with it.
//   - A refusal says nothing about clusters that the caller may not see, and of
//     conditions about callers only those of a grant that is almost the caller's own.
package grant

// Package pullsecret serves the pull secrets of the platform API: with them the nodes of a
// cluster pull images from registries that want a user name and a token.
//
// A pull secret is put by server-side apply of a Secret, on condition of the version that
// was read before, so that of two writers none loses a registry. Service accounts have
// their list of pull secrets patched on the same condition, as server-side apply would own
// the list as a whole.
//
// Invariants:
//
//   - Every request of a cluster goes through [call.Session] and is admitted as exactly
//     itself: GET, PATCH and DELETE of the Secret, GET, LIST and PATCH of service accounts.
//   - What a Secret holds leaves the bridge only towards the cluster: reports have the
//     findings of package dockerconfig, which have nothing of it, and words of an API server
//     in which a value of the request occurs are left out.
//   - A Secret that is not a pull secret is neither changed nor deleted.
//   - It waits for nothing without a bound: not for other writers, and not for a service
//     account that a new namespace has not got yet.
//   - It has no goroutines.
package pullsecret

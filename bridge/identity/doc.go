// Package identity says who calls the bridge and which clusters a caller may
// reach. [Authenticator] and [Authorizer] are the seam for richer identity;
// [Tokens] is the implementation that a file of hashed bearer tokens gives.
//
// Invariants:
//
//   - Denied by default: no credentials, no caller; no grant, no cluster.
//   - A token is never kept, logged or shown: the file holds SHA-256 digests.
//     Tokens are 256 random bits, so that no slow hash is needed.
//   - What is known about a caller is never changed. Once it no longer holds, the
//     caller's [Lease] ends, which whoever serves it for longer follows.
//   - Each cause of a refusal has its own text; none tells whether a cluster
//     that the caller may not reach exists.
package identity

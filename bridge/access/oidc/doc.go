// Package oidc authenticates callers by ID tokens of OpenID Connect issuers, such as
// the tokens of CI jobs. It verifies a token's signature, issuer, audience and times,
// and derives the caller's name, groups and uid from its claims by CEL expressions.
//
// [Authenticator.Authenticate] looks a token up among those that it has verified
// already, by their SHA-256 digests. A token that is not there goes through checks in
// this order: form, issuer, algorithm, times, signature, audience, expressions. What
// is said before the signature has been verified is about the token and this bridge's
// clock only.
//
// Each issuer has a keyring, which reads the issuer's discovery document and keys in
// the background: at the start, every five minutes, after a failure with back-off, and
// when a token names a key that is not known. A request waits for that for five
// seconds at most, and the rate is bounded whatever tokens are sent. While an issuer
// cannot be reached, the keys that were read last stay in use.
//
// Invariants:
//
//   - A token is never accepted after its exp plus the clock skew, nor once its key is
//     known to have been withdrawn by the issuer. Running requests end then too: the
//     caller's [access.Lease] ends.
//   - The same token gives the same [access.Caller] for as long as one of its requests
//     runs, so that one lease ends them all.
//   - A token of an issuer that is not configured is left to other authenticators; one
//     of a configured issuer that fails is refused for good.
//   - Algorithms are those of public keys: never none, and never HMAC.
//   - Tokens are neither kept, logged nor shown.
//
// Goroutines: one for each keyring, which alone talks to the issuer. It ends with
// [Authenticator.Close], or with the [Authenticator.Update] that removes the issuer.
//
// Locks: the cache's may be held when a keyring's is taken, never the reverse.
package oidc

// Package issuer is an OpenID Connect issuer for tests. It serves a discovery
// document and its public keys over TLS, with a certificate of its own CA, on a
// loopback address, and mints ID tokens with any claims.
//
// It is a real issuer for what a relying party can see of one: keys can be added
// and withdrawn while tokens of older ones are in use, and it can be stopped and
// started again at the same address. [Issuer.AddPeople] adds the endpoints that log people
// in; a test that needs another one adds it with [Issuer.Handle] and
// [Issuer.SetMetadata].
//
// It runs in the process of the test, for unit tests and for tests of the binaries
// alike. It imports nothing of the product.
//
// Goroutines: one of net/http for the listener and one for each connection; both
// end with [Issuer.Stop].
package issuer

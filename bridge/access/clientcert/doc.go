// Package clientcert authenticates callers by TLS client certificates, as a
// Kubernetes API server does: the common name is the user, organizations are its
// groups.
//
// The server asks for a certificate but does not demand one (see
// [Authenticator.ClientCAs]), and verifies none in the handshake: that a certificate
// is not good is told in an answer, and only where no other credential is. Each
// request's certificate is verified against the bundle of CAs as it is at that time.
//
// Where a proxy ends TLS, it sends its caller's certificate in a header. That is read
// only from a connection on which the proxy has itself authenticated, with a
// certificate of a CA for proxies and a name that the configuration lists. The
// bridge verifies the certificate in the header like any other.
//
// Invariants:
//
//   - A certificate identifies a caller only while it and a chain of issuers up to a
//     CA in the bundle are within their times, and for client authentication. When
//     this ends, its callers' running requests end too; a change of the bundle takes
//     effect within a second. For a certificate in a header, the same goes for the
//     certificate of the proxy.
//   - A header with a certificate from anybody else than such a proxy is ignored.
//   - A certificate of a proxy never identifies a caller.
//   - A web page of another site cannot use the certificate of a browser.
//
// Goroutines: each Authenticator has one, which notices changes of the bundles until
// [Authenticator.Close].
package clientcert

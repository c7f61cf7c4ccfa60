// Package signin logs people in at an OpenID Connect issuer: with their browser
// (authorization code flow with PKCE and a loopback redirect, RFC 8252) or with
// another device (RFC 8628). It also refreshes and revokes what a login gave.
//
// A login counts only with an ID token whose signature, issuer, audience, time and
// nonce are right. Error texts hold codes and descriptions of the issuer, never a
// body or a token.
//
// Goroutines: those of the HTTP server that waits for the browser. They end before
// [Client.Browser] returns.
package signin

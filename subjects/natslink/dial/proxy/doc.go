// Package proxy makes connections through forward proxies: with CONNECT at http
// and https proxies, and with SOCKS 5. It says which proxy a server is reached
// through, as curl does by the environment, and logs in at the proxy with Basic
// or NTLM.
//
// Invariants:
//
//   - The context's deadline bounds all steps. What a proxy sends is read up to a
//     stated size, and shown shortened and without control characters.
//   - Every failure is a [cause.Failure]. Where a proxy is at fault its hop is
//     the proxy, and the underlying error is not in its chain, so that nobody
//     takes the proxy's name or certificate for the broker's.
//   - User and password are in no error. They are sent only to the proxy that
//     they are for, and only after it has asked for them: with Basic only if it
//     offers that, and no NTLM that it does know.
//   - The certificate of an https proxy is always verified.
//   - No byte that the server sends after the proxy's response is lost.
//
// No goroutine outlives a call. A [Proxies] is safe for concurrent use.
package proxy

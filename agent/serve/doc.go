// Package serve executes streams: each becomes one HTTP request to the API
// server, whose response goes back on the stream.
//
// The path of a request: [Handler.Serve] (handler.go) reads the head of a stream
// and builds a request (request.go) with its body (body.go; streamed.go while it
// still arrives), sends it by an upstream.Client, and writes the response back
// (response.go) or, after a 101, carries raw bytes both ways (upgrade.go). What
// fails carries a code of the wire contract from where it fails: see package
// fault.
//
// Invariants:
//
//   - The service account is the boundary, and within it the allow-list of the
//     cluster's owner (package allow), which is asked before anything is sent: inbound
//     Authorization, Impersonate* and X-Remote-* headers never reach the API server.
//   - A request that may change something is never executed twice: replay.go
//     says how net/http is kept from sending it again.
//   - Redirects are responses, never followed. Bodies pass unchanged: nothing is
//     compressed or decompressed.
//   - When a stream ends, for whatever reason, its request to the API server is
//     cancelled at once. When a request's body breaks off, the request is
//     aborted, never completed as if it were whole.
//   - A refusal of the agent's own credential never reaches a caller as a 401:
//     see unauthorized.go.
//   - The bodies kept for being sent again take at most 3 MiB each and 32 MiB
//     together: see keep.go.
//
// Goroutines: that of the stream's handler, and one more for each upgraded
// stream, which ends before Serve returns. Those of net/http that read a body
// end with the exchange.
package serve

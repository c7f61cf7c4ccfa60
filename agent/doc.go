// Package agent is the process inside a cluster: it dials out to the broker,
// accepts streams from bridges and executes each as one HTTP request against
// the cluster's API server, with credentials of its own.
//
// The way of a request: natslink gives an accepted stream to [Handler.Serve]
// (handler.go), which reads its head and builds a request (request.go), sends
// it over transports made once (package upstream), and writes the answer
// back (response.go) or, after a 101, carries raw bytes both ways (upgrade.go).
// What fails carries a code of the wire contract from where it fails: see
// package fault.
//
// Invariants:
//
//   - The service account is the boundary: inbound Authorization,
//     Impersonate-* and X-Remote-* headers never reach the API server.
//   - A request that may change something is never executed twice: replay.go
//     says how net/http is kept from sending it again.
//   - Redirects are answers, never followed. Bodies pass unchanged: nothing is
//     compressed or decompressed.
//   - When a stream ends, for whatever reason, its request to the API server
//     is cancelled at once. When a request's body breaks off, the request is
//     aborted, never completed as if it were whole.
//   - The API server's certificate is always verified.
//   - Nothing that can be mended from outside ends the process: it waits for
//     files and tries for ever to reach the broker and the API server. /readyz
//     tells whether it has, and why not; /livez fails only when the process's
//     own loop has stood still for minutes, since a restart mends nothing else.
//   - Credentials that the broker has accepted stay in use until it accepts
//     others: connect.go makes the new connection before it gives up the old.
//   - The same cause is told in the same words (reasons.go), which are matched
//     by tests and by people's alerts, and once a minute. They are one line
//     without control characters, whatever strangers have put into them.
//
// Goroutines: those of natslink, nats.go and net/http, one that probes the API
// server, and one more for each upgraded stream. The goroutine that calls
// [Agent.Run] looks after the connection to the broker. Run ends them all.
package agent

// Package agent is the process inside a cluster: it dials out to the broker,
// accepts streams from bridges and executes each as one HTTP request against
// the cluster's API server, with its own credentials.
//
// It puts together its parts, which know nothing of each other: the connection
// to the broker, the execution of streams (package serve) and the API server
// (package upstream).
//
// Invariants:
//
//   - Nothing that can be mended from outside ends the process: it waits for
//     files and tries for ever to reach the broker and the API server. /readyz
//     tells whether it has, and why not; /livez fails only when the process's
//     own loop has stood still for minutes, since a restart mends nothing else.
//   - Requests are accepted only once it is known where to send them.
//   - Credentials that the broker has accepted stay in use until it accepts
//     others: connect.go makes the new connection before it gives up the old.
//   - The same cause is told in the same words (reasons.go), which are matched
//     by tests and by people's alerts, and once a minute. They are one line
//     without control characters, whatever strangers have put into them.
//
// Goroutines: those of natslink, nats.go and net/http, and one that probes the
// API server. The goroutine that calls [Agent.Run] looks after the connection
// to the broker. Run ends them all.
package agent

// Package agent is the process inside a cluster: it dials out to the broker,
// accepts streams from bridges and executes each as one HTTP request against
// the cluster's API server, with its own credentials.
//
// It puts its parts together: the connection to the broker (package link), the
// execution of streams (package serve), what the cluster's owner allows (package allow),
// what the platform sets (package settings) and the API server (package upstream).
//
// Invariants:
//
//   - Nothing that can be put right from outside ends the process: it waits for
//     files, and never gives up reaching the broker and the API server. /readyz
//     says whether it has, and why not; /livez fails only when the process's own
//     loop has not run for minutes, since a restart would help nothing else.
//   - Requests are accepted only once it is known where to send them and what the
//     cluster's owner allows, and none after Drain has begun.
//
// Goroutines: those of natslink, nats.go and net/http, one that probes the API
// server, one that applies settings, and one that reads the allow-list again, if there is
// one. The goroutine that calls [Agent.Run] looks after the connection to the broker. Run
// ends them all.
package agent

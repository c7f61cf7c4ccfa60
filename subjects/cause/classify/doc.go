// Package classify turns the errors of Go's networking into causes: [Error] is for
// every step of every connection, to a broker, a proxy or an API server.
//
// Invariants:
//
//   - It looks at types and codes of errors, not at their texts, except for the alerts
//     of TLS, whose type crypto/tls does not export.
//   - The same failure has the same texts each time: ports of this end are left out.
//   - An error that holds a [cause.Failure] is returned as that one: the step that knew
//     more has spoken.
//
// It does no I/O, and everything in it is safe for concurrent use.
package classify

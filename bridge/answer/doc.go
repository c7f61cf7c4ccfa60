// Package answer holds the answers that come from the bridge itself and not from a
// cluster: the table of failures, and their form over HTTP. It also has the record of
// a request, for its log line and metrics, and the responses that come in parts.
//
// To answer a request, make a [Failure] of a [Kind] and [Fail] with it:
//
//	answer.Fail(w, r, rec, answer.StatusBody, answer.Failf(answer.Forbidden, "no grant for %q", name))
//
// Invariants:
//
//   - Each kind has one code, HTTP status, reason and title (kind.go), and each
//     reset code of the wire one kind and sentence (reset.go). A new reset code is
//     two lines in package subjects and a row in reset.go; a test walks all of
//     them through this package and openapi.yaml.
//   - Retry-After is sent only if the request was certainly not executed and the
//     state will soon pass.
//   - A [Stream] may be silent for any time, over HTTP/2 too, and a client that does not
//     read its parts is given up.
//   - Texts that a caller chose are truncated ([Clip]). None contains a secret.
//   - The package knows HTTP, but not callers, streams or NATS. It has no
//     goroutines.
package answer

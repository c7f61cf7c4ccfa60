// Package answer is what the bridge says itself, instead of passing on what a
// cluster said: a table of failures, how they are written over HTTP, and the
// record of a request for its log line and metrics.
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
//     state passes in a moment.
//   - Texts that a caller chose are cut ([Clip]). No secret is in any of them.
//   - It knows HTTP, and nothing of callers, streams or NATS. It has no goroutines.
package answer

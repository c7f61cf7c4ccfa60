// Package span has the spans that Fairlead's processes make, and carries their
// context in headers, as the W3C's Trace Context has it. It knows OpenTelemetry's API
// and none of its exporters.
//
// Invariants:
//
//   - A nil [*Tracer] is tracing that is switched off, and makes nil spans. A nil
//     [*Span] does nothing, changes no header and allocates nothing.
//   - A span that is not sampled carries its context on and records nothing.
//   - Attributes are computed only for a span that [Span.Recording] says is recorded.
//   - A span has no credential, no body, no value of a query, and of a header nothing
//     but what the semantic conventions of HTTP ask for: the user agent.
package span

// Package audit writes one event for each request and for each stream's end, in a
// documented and versioned form: CloudEvents 1.0 in JSON, one on a line, whose data
// has the fields of Kubernetes' audit events where these exist. docs/access-audit.md
// describes them, docs/audit-event.schema.json is the schema.
//
// A [Log] has the sinks. [Log.Follow] makes a [Request], which hears of the stages of
// one request through the request's [answer.Record].
//
// Invariants:
//
//   - An event has no header, no body, no credential, and of a query nothing but the
//     command, the container and the ports of exec, attach and port-forward.
//   - An event is bounded, whatever a caller sends. What was cut is marked.
//   - Where audit is required, nothing goes on to a cluster before it is written down
//     (see [Request.Admitted]). Where it is not, audit never delays a request.
//   - A nil [*Log] is one that is switched off, and costs nothing.
package audit

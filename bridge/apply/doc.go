// Package apply serves POST /v1/clusters/{cluster}/apply: objects, as YAML or JSON, that a
// cluster is to have, by server-side apply in the order in which they need each other.
//
// # The path of an apply
//
// The body is read whole: split into documents, bounded (documents.go), and made objects
// (object.go). Discovery says of each kind where its objects are and whether they have
// namespaces (discovery.go). Then phase after phase is applied (order.go, run.go), each
// object by a GET and a PATCH (patch.go). Definitions of kinds are waited for, and looked
// for again (definitions.go). Last, what is not in the body any more is deleted, if that was
// asked for (prune.go). Each outcome is a line of the response as it happens.
//
// Invariants:
//
//   - Every request of the cluster is one of package call: admitted as exactly itself by the
//     caller's grants, with an audit event of its own.
//   - Nothing is executed before the whole body has been understood.
//   - Bounded are the body, all bodies together and those of a caller, a document, the
//     documents, nesting, what aliases expand to, how many bodies are parsed at a time, how
//     many requests run at a time, and the time of the whole.
//   - A caller who sends many bodies does not keep another's from being parsed.
//   - Only objects are deleted that have the caller's label and were applied by its field
//     manager, of kinds and in namespaces that the body or the caller names, and only after
//     everything was applied.
//   - A name of a cluster's discovery is part of a path only if it is a plain name.
//   - Each object has exactly one result, and the summary comes last.
//   - Goroutines: at most [parallel] at a time, which end before the handler does.
package apply

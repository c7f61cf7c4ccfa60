// Package connection serves GET /v1/clusters/{cluster}/connections/{id}: connections to
// the API server of a cluster that outlive the network of their client. Over a WebSocket
// comes a stream of bytes (package resume) with HTTP/1.1 in it, as over a connection to the
// bridge itself. When the WebSocket breaks, the client attaches another one, and the
// requests in it, such as an exec, notice nothing.
//
// # The path of a request
//
// [Service.attach] finds out who the caller is, and finds or makes the connection (held.go).
// Its bytes are read by an http.Server of the service, whose requests are given the
// credentials of the attachment and go on to the bridge, which serves them as any
// (inner.go): grants, limits, audit and recordings are those of the same request made
// directly.
//
// # Invariants
//
//   - Only the caller who made a connection may attach to it, and it leads to the one
//     cluster it was made for. For others, it is unknown.
//   - Who makes a request within a connection is what the latest attachment says. Nothing
//     in the request itself can claim another identity or origin: only the header fields of
//     a list pass (header.go).
//   - A connection without an attachment ends after [resume.Hold]. Connections are bounded: see
//     [MaxConnections].
//   - Each has one http.Server's goroutine and those of its requests. After
//     [Service.Close] there are none.
package connection

// Package call makes requests of clusters on behalf of one HTTP request of the platform
// API: one, or many at once. A request in memory is made by Do, and one whose response is
// read as it comes by Stream.
//
// [Caller] makes the one request that a route stands for, as POST
// /v1/clusters/{cluster}/requests: the record of the HTTP request is that of the call.
// [Session] makes any number, and each has a record, and so an audit event, a log line
// and figures of its own, as if its caller had sent it under /k8s.
//
// Invariants:
//
//   - Nothing goes to a cluster but what the door of package access admits, as exactly
//     that request: method, target and header.
//   - What a request takes of limits is given back when its response has ended: when Do
//     returns, or at [Stream.Close].
//   - A response ends as soon as its caller may no longer make the request.
//   - A request in memory has a time limit, and its failure says whose that was.
//   - Goroutines: those of a [Group], which end before the handler does, and whose panics
//     are the handler's. A Session may be used by many at once; a Stream by one.
package call

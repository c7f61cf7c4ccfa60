// Package openapitest holds real requests and responses of an HTTP API against its OpenAPI
// 3.1 description. Tests use it as the transport of their client:
//
//	doc, err := openapitest.Load(text)
//	client := &http.Client{Transport: doc.Transport(transport, report)}
//
// Every exchange that goes through the transport is then checked:
//
//   - A request that succeeds must be as described: its query parameters are described and
//     valid, and so is its body. Tests may send anything else, as long as it is refused.
//   - A response must have a status, a content type, headers and a body that are described
//     for its operation. What is not described must be answered with a problem document.
//   - A response has no properties but those that its schema names, unless the schema has
//     an additionalProperties of its own. The description promises less, so that the API
//     can grow: that a client ignores properties that it does not know is its part.
//   - Of the paths of clusters, below /k8s/clusters/, only what the bridge itself answers is checked.
//   - For application/x-ndjson and text/event-stream the schema is that of one item: of a
//     line, or of the data of an event. Each is checked as soon as it is read.
//
// Invariants:
//
//   - It changes neither requests nor responses, and keeps what a test streams as a stream.
//   - What a test does not read to the end is not reported.
//   - It has no goroutines: a fault is reported by the goroutine that sends or reads.
package openapitest

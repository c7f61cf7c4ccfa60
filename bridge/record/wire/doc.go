// Package wire reads the protocols of exec and attach as they pass: SPDY/3.1, and
// the WebSocket subprotocols of Kubernetes. A [Parser] is fed the bytes of both
// directions in any pieces, and tells a [Sink] what the channels carry. An [Outcome] reads
// no more of SPDY than it takes to end a session with a reason.
//
// Invariants:
//
//   - Bytes are read, and never changed or kept back.
//   - A parser accepts no more than the API server and the client do. What two
//     implementations could read in different ways is an error, so that nothing can
//     be hidden from the parser and still reach the other end.
//   - Memory is bounded, whatever either end sends: a parser keeps no payload, and of
//     a SPDY control frame at most maxControl bytes.
//   - After an error the parser is not used again.
//
// A Parser is not safe for concurrent use.
package wire

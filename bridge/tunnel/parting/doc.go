// Package parting tells clients why a response or an upgraded connection ends before its
// time, in the protocol that they speak: as the last event of a watch, as the outcome of
// an exec, or in the close frame of a WebSocket.
//
// [Events], [WebSocket] and [SPDY] follow what a client has been sent, to know whether
// something may be added there. They read no more of it than where its parts end.
//
// Invariants:
//
//   - Nothing is added within an event, a message or a frame, nor where the encoding is
//     not known.
//   - Memory is bounded, whatever passes.
package parting

// Package subjects is the wire contract between a bridge and an agent: the
// NATS subjects they meet on, the frames that travel there, the HTTP heads
// inside the frames, the codes that end a stream and every limit that both
// sides rely on. PROTOCOL.md beside this file is the specification; this
// package is its only implementation.
//
// Invariants:
//
//   - It imports the standard library alone, so that anything can depend on it.
//   - Append* and Parse* come in pairs; Parse* accepts any bytes that a peer
//     can send and never panics, never allocates more than the input justifies.
//   - The cluster that a frame belongs to is read from its subject, which NATS
//     has checked against the sender's permissions, never from its payload.
//   - Nothing here keeps state or starts a goroutine.
package subjects

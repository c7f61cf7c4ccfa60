// Package subjects is the wire contract between a bridge and an agent: the NATS
// subjects on which they meet (names.go), the frames that travel there (frame.go,
// data.go, control.go), the HTTP heads inside the frames (head*.go,
// extension.go), what an agent announces (presence.go), the codes that end a
// stream (codes.go) and every limit that both sides rely on (limits.go). It also
// names what bridges share in JetStream (store.go).
// PROTOCOL.md next to this file is the specification, with a glossary; this
// package is its only implementation.
//
// It also has the rules about HTTP that both ends must share: which headers
// never pass (header.go), and which requests last until their caller has had
// enough (watch.go).
//
// Invariants:
//
//   - It imports only the standard library, so that every package can depend on it.
//   - Append* and Parse* come in pairs; Parse* accepts any bytes that a peer
//     can send and never panics, never allocates more than the input justifies.
//   - The cluster that a frame belongs to is read from its subject, which NATS
//     has checked against the sender's permissions, never from its payload.
//   - Nothing here keeps state or starts a goroutine.
package subjects

// Package stream carries many reliable, flow-controlled byte streams between
// processes over a [Link] that may lose, duplicate and delay messages, and
// that keeps their order only while it stays up. That is what core NATS gives;
// the package itself knows nothing of NATS or HTTP. The frames and the rules
// are those of ../PROTOCOL.md.
//
// One side opens streams ([Endpoint.Open]), the other accepts them
// ([Config].Handler). A stream has two directions, each a sequence of bytes
// with absolute offsets and an end that takes an offset of its own.
//
// Invariants:
//
//   - [Endpoint.Receive] never blocks and never sends: what an arriving frame
//     asks for goes through the outbox goroutine. A reader that stops costs at
//     most its window and delays nobody.
//   - A sender keeps each frame until the peer has acknowledged it. After a
//     gap, a reconnect or a probe's answer it sends again from where the
//     receiver stands; the receiver trims what it has.
//   - Received bytes are acknowledged when they arrive, not when they are read:
//     the bound on bytes in flight to a peer is not used up by slow readers.
//     Credit follows reading.
//   - An accepting endpoint starts the handler at most once for a stream id,
//     whatever arrives in whatever order.
//   - The terminal cause of a stream is set once; everything reads it.
//   - A stream that has ended leaves no goroutine, no timer and no table entry.
//
// Goroutines: one outbox and one clock goroutine per [Endpoint], and the
// pooled goroutines that run handlers, which end when idle for a second.
//
// Locks, in the order in which they may be taken: Stream.wmu or Stream.rmu
// (one writer, one reader at a time), Endpoint.mu, Peer.mu, then Stream.mu or
// outbox.mu. No lock is held while a message is handed to the Link, except wmu
// and, for the credit that reading gives, rmu.
package stream

// Package vault keeps recordings in the bridges' shared store: a bucket of objects in
// JetStream. Any client of NATS object stores can read it.
//
// A recording is an object of its file's name. Its bytes are messages on a subject of its
// own, published as they arrive, so that a bridge that is killed leaves what it has
// recorded. What the object is, with the line of the index among its metadata, is
// published before the session begins and again when it has ended. Meanwhile messages on
// another subject say that the bridge still has the session.
//
// Invariants:
//
//   - A write has returned when a quorum of brokers has the bytes on disk.
//   - Nothing that was published can be removed by a bridge. The stream's operator
//     decides how long it stays.
//   - Only the bridge that records can add to a recording: it seals each message with a
//     key that it makes for the session, names it by and forgets with it. What
//     is not sealed, or was there before, does not count.
//   - A session goes on while something that its bridge sealed says so that is not older than
//     two minutes, whatever lies behind that.
//   - What the stream has no room for ends its session, like a disk that is full.
//   - Reading needs no consumer, which role store is not allowed.
package vault

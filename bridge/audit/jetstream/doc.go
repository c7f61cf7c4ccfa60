// Package jetstream publishes audit events to a JetStream stream, one event a message,
// where other systems consume them. The stream, with its retention and replicas, is
// its operator's; the sink needs no permission but to publish to one subject.
//
// Invariants:
//
//   - An event counts as written when the stream has acknowledged it. A message has
//     the event's id, so that a repeated one is stored once.
//   - A write takes at most 10 s. While the connection has been lost for longer, it
//     fails at once.
package jetstream

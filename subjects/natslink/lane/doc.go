// Package lane is a short way for small messages over the connections of nats.go. A [Lane]
// stands between nats.go and its [net.Conn]. It takes the messages of chosen subjects out of
// what arrives and hands them over at once, by the goroutine that reads. It writes messages by
// the goroutine that publishes them. nats.go does everything else as before: it connects,
// authenticates, subscribes, answers pings and reconnects, and never sees those messages.
// docs/decisions/0024 says what that saves.
//
// Invariants:
//
//   - nats.go reads a NATS protocol stream that is whole: what is taken is taken with its
//     line and its line break. Where the protocol is not understood, everything is nats.go's
//     from there on.
//   - Messages of one goroutine that a [Publisher] publishes arrive in their order, whichever
//     way they go. Each message is written whole, or the connection is closed. What is given to
//     nats.go itself waits in its buffer, and may be overtaken until nats.go writes it.
//   - Nothing goes by a lane before the connection's subscriptions, nor what is larger than the
//     broker takes.
//   - Nothing is buffered for a connection that is lost.
//   - What waits to be written is bounded, and so is how long a write takes.
//   - nats.go's writes wait for what was published before them, and for nothing else.
//
// nats.go's counts of messages and bytes leave out those of a lane.
package lane

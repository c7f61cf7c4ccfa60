// Package natslink runs the streams of package stream over a NATS connection. It
// subscribes to the two subjects of a bridge or an agent instance, passes each
// arriving frame to the engine, reports to the engine when the connection is lost
// and when it is back, and carries presence. It also makes these connections, with
// the options that all processes share ([Connect], [ConnectOnce]).
//
// Invariants:
//
//   - A process holds two subscriptions, however many streams it has.
//   - The sender of a frame is read from its subject, which NATS has checked
//     against the sender's permissions. The reply subject of a message, which
//     NATS does not check, is never used.
//   - A subscription's callback never blocks, nor does a sink of the lane.
//   - Frames pass nats.go by where its connections have a lane (package lane), which those of
//     [Connect] and [ConnectOnce] have unless nats.go does TLS on them. What the lane leaves to
//     nats.go, or everything without one, arrives at the subscriptions' callbacks and is
//     treated alike.
//   - Presence and frames arrive on two subscriptions, so one can overtake the
//     other. A goodbye keeps new streams from an instance and ends none: the
//     responses and resets before it do that, in their own order.
//   - An agent can change its connection, with all streams ([Agent.Move]). For a
//     moment both connections bring the same frames. They are passed to the
//     engine one at a time, and it drops the duplicates.
//   - Nothing is buffered while the connection is down: stale frames would be
//     replayed. The engine resends lost frames.
//   - nats.go holds a connection's lock while it dials and greets a broker. Code
//     that must not wait for that ends the attempt first (the context of
//     [Connect]), or calls no method of the connection.
//
// Goroutines: those of the engine, one that follows the connection's state, and
// in an agent one that announces its presence.
package natslink

// Package natslink runs the streams of package stream over a NATS connection:
// it subscribes to the handful of subjects that a bridge or an agent instance
// has, gives each arriving frame to the engine, tells the engine when the
// connection comes and goes, and carries presence.
//
// Invariants:
//
//   - A process holds two subscriptions, however many streams it has.
//   - Where a frame comes from is read from its subject, which NATS has checked
//     against the sender's permissions. The reply subject of a message, which
//     it has not, is never used.
//   - A subscription's callback never blocks.
//   - Presence and frames come on two subscriptions, so one overtakes the
//     other. A goodbye keeps new streams from an instance and ends none: the
//     frames before it, answers and resets, do that in their own order.
//   - An agent can change its connection, with all streams ([Agent.Move]). For a
//     moment both connections bring the same frames: they are handed to the
//     engine one at a time, and it knows what it gets twice.
//   - Nothing is buffered while the connection is down: stale frames would be
//     replayed. The engine sends again what was lost.
//
// Goroutines: those of the engine, one that follows the connection's state,
// and in an agent one that announces its presence.
package natslink

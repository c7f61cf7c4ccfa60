// Package natsrun runs nats-server within a test.
//
// Invariants:
//   - A server that was started takes connections.
//   - A test whose server cannot start fails at once with what the server says, such as
//     that its port is taken: nats-server itself tells only its logger.
//
// It has no goroutines but the server's.
package natsrun

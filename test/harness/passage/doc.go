// Package passage is a way to a server, by TCP, that can be closed: to its clients the
// server is down then. It can also stall, as a network that loses all packets.
//
// Invariants:
//   - The address stays the same, however often the passage is closed and opened.
//   - [Passage.Close] returns when no connection is left.
//
// Each connection has three goroutines, which end with it, and each opening one that
// accepts.
package passage

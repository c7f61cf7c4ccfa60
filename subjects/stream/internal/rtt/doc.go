// Package rtt keeps the shortest round trip to a peer ([Shortest]).
//
// Invariants:
//
//   - While samples arrive, each is forgotten within two periods of five minutes,
//     so that a path that has become longer is noticed.
//   - A reader never waits: it loads one atomic number.
package rtt

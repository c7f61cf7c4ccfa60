// Package freeport finds ports for servers that tests start: those whose address must be
// known before they start, and those that start again on the port that they had.
//
// A port that the kernel chose (":0") is no good for either. It is one of those that the
// kernel gives to outgoing connections too, so that it may be taken between the look and
// the start, or while the server is down; a client that dials it again and again may even
// connect to itself.
//
// Invariants:
//   - The ports are below those that the kernel chooses, so that only a program that names
//     one takes it.
//   - No two processes of tests are given the same port at a time: each takes whole blocks
//     of ports, and holds the first port of a block as long as it runs.
//   - Within a process a port has one owner: until the end of the test for which it was
//     found ([For]), or for good ([Address]).
//   - Nothing listens on a port when it is given.
//
// It has no goroutines. All functions may be called by many at once.
package freeport

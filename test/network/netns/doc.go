// Package netns makes network namespaces for tests: machines with addresses, routes and
// names of their own, in which real programs run. It needs root on Linux, and iproute2.
//
// Invariants:
//   - Everything that it makes on the machine has a name that begins with [Prefix]: the
//     namespaces, the interfaces outside of them, and the folders below /etc/netns.
//   - One process at a time uses the prefix: [Take] waits for another one to end, and
//     removes what a process that died has left, programs in its namespaces included.
//   - A namespace has no IPv6, forwards nothing, and resolves no names unless it is told
//     to. So a packet that leaves through an interface was sent by a program of the test.
package netns

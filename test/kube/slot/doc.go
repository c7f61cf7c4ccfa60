// Package slot lets several clusters run on one machine.
//
// A slot is a number from 1 to Count. It fixes a block of loopback ports and,
// for a node, an address range and the names of everything that the node makes
// on the machine (bridge, cgroup, folders). So clusters cannot collide, and the
// leftovers of a crashed one can be found by the number alone.
//
// Invariant: the process that listens on the first port of the block owns the slot.
// The kernel releases that claim however its owner dies, and there cannot be two
// owners. The blocks are below the range of ephemeral ports, so that no outgoing
// connection takes a port of a block by chance.
package slot

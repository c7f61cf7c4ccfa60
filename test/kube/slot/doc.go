// Package slot lets several clusters live on one machine.
//
// A slot is a number from 1 to Count. It fixes a block of loopback ports and,
// for a node, an address range and the names of everything the node leaves on
// the machine (bridge, cgroup, folders). So clusters cannot collide, and what
// a crashed one left can be found again by number alone.
//
// Invariant: whoever listens on the first port of the block owns the slot.
// The kernel releases that claim however its owner dies, and two owners cannot
// be. The blocks lie below the range from which Linux takes the ports of
// outgoing connections, so nothing takes a port of a block by chance.
package slot

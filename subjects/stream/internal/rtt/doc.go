// Package rtt keeps the shortest round trip to a peer.
package rtt

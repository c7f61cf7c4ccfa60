//go:build !linux

package socket

import "net"

// HungUp cannot be found out on this system: a client that hung up during an upload
// is noticed when its body or its response makes progress.
func HungUp(net.Conn) bool { return false }

// Broken cannot be found out on this system: a client of an upgraded connection that
// went away is noticed when bytes move in either direction.
func Broken(net.Conn) bool { return false }

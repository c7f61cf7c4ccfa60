package socket

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// HungUp reports whether the other end of a TCP connection has closed it or its
// sending half, or is gone. Bytes that are still unread do not matter, and none are
// read.
func HungUp(c net.Conn) bool { return polled(c, unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) }

// Broken reports whether a TCP connection was reset or timed out, so that nothing
// reaches its other end any more. Nothing is read.
func Broken(c net.Conn) bool { return polled(c, unix.POLLHUP|unix.POLLERR) }

// polled reports whether the kernel has any of the events for a connection.
func polled(c net.Conn, events int16) bool {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	has := false
	_ = raw.Control(func(fd uintptr) { // fails if closed on this side
		p := []unix.PollFd{{Fd: int32(fd), Events: events}}
		n, err := unix.Poll(p, 0)
		has = n == 1 && err == nil && p[0].Revents&events != 0
	})
	return has
}

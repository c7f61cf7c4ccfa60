package broker

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// hungUp reports whether the client of a TCP connection has closed it or its sending
// half, or is gone. Nothing is read: a handshake may go on from where it is.
func hungUp(c net.Conn) bool {
	const events = unix.POLLRDHUP | unix.POLLHUP | unix.POLLERR
	sc, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	has := false
	err = raw.Control(func(fd uintptr) {
		p := []unix.PollFd{{Fd: int32(fd), Events: events}}
		n, err := unix.Poll(p, 0)
		has = n == 1 && err == nil && p[0].Revents&events != 0
	})
	return has || err != nil // closed on this side
}

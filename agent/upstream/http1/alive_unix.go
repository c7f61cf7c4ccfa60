//go:build unix

package http1

import (
	"net"
	"syscall"
)

// Notices says whether a pool notices here that a server has closed an idle connection, or
// has said something on it. Where it does not, a pool must not be used: what was said would
// be taken for the next answer.
const Notices = true

// alive reports whether an idle connection is still open and silent. A server that has
// closed it, or sends what nobody asked for, must not get another request on it. Reading
// through TLS could take part of a record, so the socket is looked at.
func (c *conn) alive() bool {
	raw := c.Conn
	if over, ok := raw.(interface{ NetConn() net.Conn }); ok { // TLS
		raw = over.NetConn()
	}
	socket, ok := raw.(syscall.Conn)
	if !ok { // of tests, in memory
		return true
	}
	sc, err := socket.SyscallConn()
	if err != nil {
		return false
	}
	silent := false
	err = sc.Read(func(fd uintptr) bool {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		silent = err == syscall.EAGAIN || err == syscall.EWOULDBLOCK
		return true
	})
	return err == nil && silent
}

//go:build unix

package http1

import (
	"net"
	"syscall"
)

// alive reports whether an idle connection is still open and silent. A server that has
// closed it, or sends what nobody asked for, must not get another request on it. Reading
// through TLS could take part of a record, so the socket is looked at.
func (c *conn) alive() bool {
	raw := c.Conn
	if over, ok := raw.(interface{ NetConn() net.Conn }); ok { // TLS
		raw = over.NetConn()
	}
	socket, ok := raw.(syscall.Conn)
	if !ok { // an exec plugin's dialer wraps its connections
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

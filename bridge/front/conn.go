package front

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/pires/go-proxyproto"
)

// direct is a connection of a peer that must not send a PROXY header. It differs
// from the TCP connection only in that its first bytes are checked for one.
type direct struct {
	*net.TCPConn
	warn    func(from net.Addr)
	checked bool // used by the one goroutine that reads
}

// Read implements [net.Conn].
func (c *direct) Read(b []byte) (int, error) {
	n, err := c.TCPConn.Read(b)
	if !c.checked && n > 0 {
		c.checked = true
		if beginsHeader(b[:n]) {
			c.warn(c.RemoteAddr())
		}
	}
	return n, err
}

// beginsHeader reports whether b begins like a PROXY header of version 1 or 2.
// Five bytes are enough: neither TLS nor HTTP begins like either version, and TLS
// reads at least five at first.
func beginsHeader(b []byte) bool {
	const enough = 5
	return len(b) >= enough &&
		(bytes.HasPrefix(b, proxyproto.SIGV1) || bytes.HasPrefix(b, proxyproto.SIGV2[:enough]))
}

// proxied is a connection of a trusted proxy: a PROXY header at its beginning
// names the address of the proxy's client.
type proxied struct {
	*net.TCPConn
	warn func(from net.Addr, err error)

	once   sync.Once
	remote net.Addr
	err    error
	// rest holds bytes that were read after the header; nil once they are used up.
	// After once, only the goroutine that reads uses it.
	rest *bufio.Reader
}

// RemoteAddr returns the address that the proxy named, or the proxy's own. It waits
// for the first bytes, at most [HeaderTimeout].
func (c *proxied) RemoteAddr() net.Addr {
	c.once.Do(c.readHeader)
	return c.remote
}

// Read implements [net.Conn].
func (c *proxied) Read(b []byte) (int, error) {
	c.once.Do(c.readHeader)
	if c.err != nil {
		return 0, c.err
	}
	if c.rest == nil {
		return c.TCPConn.Read(b)
	}
	n, err := c.rest.Read(b[:min(len(b), c.rest.Buffered())])
	if c.rest.Buffered() == 0 {
		c.rest = nil
	}
	return n, err
}

// WriteTo implements [io.WriterTo], since the TCP connection's own would skip rest.
func (c *proxied) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, struct{ io.Reader }{c})
}

// readHeader reads the PROXY header, if there is one.
func (c *proxied) readHeader() {
	c.remote = c.TCPConn.RemoteAddr()
	if c.err = c.SetReadDeadline(time.Now().Add(HeaderTimeout)); c.err != nil {
		return
	}
	r := bufio.NewReader(c.TCPConn)
	h, err := proxyproto.Read(r)
	switch {
	case errors.Is(err, proxyproto.ErrNoProxyProtocol):
		err = nil
	case err != nil:
		c.err = fmt.Errorf("read PROXY header: %w", err)
		if _, broken := errors.AsType[net.Error](err); !broken && !errors.Is(err, io.EOF) {
			c.warn(c.remote, err)
		}
		return
	case h.Command.IsProxy():
		if source, _, ok := h.TCPAddrs(); ok {
			c.remote = source
		}
	}
	if r.Buffered() > 0 {
		c.rest = r
	}
	c.err = errors.Join(err, c.SetReadDeadline(time.Time{}))
}

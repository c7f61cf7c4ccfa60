package http1

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

// bufferSize is that of each connection's two buffers, in bytes, as in net/http.
const bufferSize = 4 << 10

// conn is a connection to the server. Whoever has taken it from the pool is the only one
// to use it, except that the context of the request interrupts it.
type conn struct {
	pool *Pool
	net.Conn
	r         *bufio.Reader // reads limited
	w         *bufio.Writer // writes counted
	head      int           // how many bytes the head may still have; -1: no head is being read
	written   int64         // bytes of the present request
	heard     bool          // a byte of the response has arrived
	served    bool          // a request before the present one
	idleSince time.Time
	stop      func() bool // stops watching the context of the request
}

func newConn(p *Pool, raw net.Conn) *conn {
	c := &conn{pool: p, Conn: raw}
	c.r = bufio.NewReaderSize(limited{c}, bufferSize)
	c.w = bufio.NewWriterSize(counted{c}, bufferSize)
	return c
}

// limited reads from the connection while the head is not too long.
type limited struct{ c *conn }

func (l limited) Read(b []byte) (int, error) {
	c := l.c
	if c.head >= 0 {
		if c.head == 0 {
			return 0, fmt.Errorf("http1: the head of the response has more than %d bytes", c.pool.cfg.MaxHead)
		}
		b = b[:min(len(b), c.head)]
	}
	n, err := c.Conn.Read(b)
	if c.head >= 0 {
		c.head -= n
	}
	c.heard = c.heard || n > 0
	return n, err
}

// counted writes to the connection.
type counted struct{ c *conn }

func (w counted) Write(b []byte) (int, error) {
	n, err := w.c.Conn.Write(b)
	w.c.written += int64(n)
	return n, err
}

// close ends a connection that is in use.
func (c *conn) close() {
	c.pool.busy.Add(-1)
	_ = c.Conn.Close()
}

// exchange sends req and returns the head of the response, whose body gives the
// connection back. After an error the connection is closed.
func (c *conn) exchange(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	c.written, c.heard = 0, false
	c.stop = func() bool { return true }
	if ctx.Done() != nil {
		c.stop = context.AfterFunc(ctx, c.interrupt)
	}
	resp, err := c.answer(req)
	if err != nil {
		c.stop()
		c.close()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	b := &body{conn: c, ctx: ctx, from: resp.Body, reuse: !resp.Close && !req.Close}
	if resp.Body == http.NoBody || req.Method == http.MethodHead {
		b.end(true)
		resp.Body = http.NoBody
	} else {
		resp.Body = b
	}
	return resp, nil
}

// interrupt ends whatever waits for the connection, which is not used again.
func (c *conn) interrupt() { _ = c.SetDeadline(time.Unix(1, 0)) }

// answer sends req and reads the head of the final response.
func (c *conn) answer(req *http.Request) (*http.Response, error) {
	err := req.Write(c.w)
	if err == nil {
		err = c.w.Flush()
	}
	if err != nil {
		return nil, err
	}
	c.head = c.pool.cfg.MaxHead
	for {
		resp, err := http.ReadResponse(c.r, req)
		switch {
		case err != nil && !c.heard && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)):
			return nil, errors.New("http1: the server closed the connection without an answer")
		case err != nil:
			return nil, err
		case resp.StatusCode == http.StatusSwitchingProtocols:
			return nil, errors.New("http1: the server switches protocols, which nobody asked it to")
		case resp.StatusCode >= 200:
			c.head = -1
			return resp, nil
		}
	}
}

// mayRepeat reports whether req, which failed on c, may be sent again.
func (c *conn) mayRepeat(req *http.Request) bool {
	switch {
	case !c.served || req.Context().Err() != nil || c.heard:
		return false
	case c.written == 0:
		return true
	}
	return harmless(req.Method)
}

// harmless reports whether a request changes nothing by its method (RFC 9110, 9.2.1).
func harmless(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return false
}

// body is that of a response.
type body struct {
	conn  *conn
	ctx   context.Context
	from  io.ReadCloser // of net/http; Close is not called: it would read what is left
	reuse bool
	err   error // of all later reads
}

var errClosed = errors.New("http1: read of a response that was closed")

// Read implements [io.Reader].
func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.from.Read(p)
	if err != nil {
		whole := errors.Is(err, io.EOF)
		if !b.end(whole) && b.ctx.Err() != nil {
			// What was read may only be the server's reaction to the end of the request.
			err = context.Cause(b.ctx)
		}
		b.err = err
	}
	return n, err
}

// Close implements [io.Closer].
func (b *body) Close() error {
	if b.err == nil {
		b.err = errClosed
		b.end(false)
	}
	return nil
}

// nothingHeld reports whether TLS holds nothing that it has taken from the socket, where
// [conn.alive] would see it: it reads up to a few records at once. With a deadline that has
// passed, Read returns what is held, or the timeout, after which it can go on.
func (c *conn) nothingHeld() bool {
	if _, ok := c.Conn.(interface{ NetConn() net.Conn }); !ok {
		return true
	}
	if c.SetReadDeadline(time.Unix(1, 0)) != nil {
		return false
	}
	var b [1]byte
	n, err := c.Conn.Read(b[:])
	return n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && c.SetReadDeadline(time.Time{}) == nil
}

// end gives the connection back if the response was read to its end and the request
// was not interrupted; otherwise it closes the connection, and reports false.
func (b *body) end(whole bool) bool {
	c := b.conn
	interrupted := !c.stop()
	if whole && !interrupted && b.reuse && c.r.Buffered() == 0 && c.nothingHeld() {
		c.pool.put(c)
		return true
	}
	c.close()
	return whole && !interrupted
}

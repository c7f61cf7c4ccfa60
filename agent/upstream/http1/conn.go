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
	"sync"
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
	framing   framing       // of the present head
	doubtful  bool          // not to be used again
	written   int64         // bytes of the present request
	heard     bool          // a byte of the response has arrived
	served    bool          // a request before the present one
	until     time.Time     // it is not used again after that
	retired   uint64        // [Pool.retired] before it was opened
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
		c.framing.see(b[:n])
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
	b := &body{conn: c, ctx: ctx, from: resp.Body, reuse: !resp.Close && !req.Close && !c.doubtful}
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
	if err == nil {
		return c.final(req)
	}
	return c.early(req, err)
}

// final reads heads until that of the final response.
func (c *conn) final(req *http.Request) (*http.Response, error) {
	c.head = c.pool.cfg.MaxHead
	for {
		c.framing = framing{}
		had, _ := c.r.Peek(c.r.Buffered()) // has arrived with the head before
		c.framing.see(had)
		resp, err := http.ReadResponse(c.r, req)
		switch {
		case err != nil && !c.heard && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)):
			return nil, errors.New("http1: the server closed the connection without an answer")
		case err != nil:
			return nil, err
		case resp.ProtoMajor != 1:
			return nil, errors.New("http1: the server answers with another version of HTTP")
		case resp.StatusCode < 100:
			return nil, errors.New("http1: the server answers with a status below 100")
		case resp.StatusCode == http.StatusSwitchingProtocols:
			return nil, errors.New("http1: the server switches protocols, which nobody asked it to")
		}
		// After a CONNECT that succeeded there is no HTTP.
		c.doubtful = c.doubtful || req.Method == http.MethodConnect
		bodiless := resp.StatusCode < 200 || resp.StatusCode == http.StatusNoContent
		c.doubtful = c.doubtful || resp.ProtoMinor == 0 || c.framing.odd || bodiless && c.framing.fields > 0
		if resp.StatusCode >= 200 {
			c.head = -1
			return resp, nil
		}
	}
}

// earlyWait bounds the wait for the answer of a server that takes no more of a request. What
// it has said before it ended the connection has arrived.
const earlyWait = time.Second

// early returns the answer of a server that ended the connection while the request was
// written, as with 413 or 401; without one, the error of writing.
func (c *conn) early(req *http.Request, failed error) (*http.Response, error) {
	if c.written == 0 || !c.readBy(req.Context(), time.Now().Add(earlyWait)) {
		return nil, failed
	}
	resp, err := c.final(req)
	c.doubtful = true
	if err != nil || !c.readBy(req.Context(), time.Time{}) {
		return nil, failed
	}
	return resp, nil
}

// readBy bounds reading, unless ctx has ended.
func (c *conn) readBy(ctx context.Context, at time.Time) bool {
	if c.SetReadDeadline(at) != nil {
		return false
	}
	if ctx.Err() != nil { // and interrupt may have been before
		c.interrupt()
		return false
	}
	return true
}

// mayRepeat reports whether req, which failed on c, may be sent again.
func (c *conn) mayRepeat(req *http.Request) bool {
	switch {
	case !c.served || req.Context().Err() != nil || c.heard:
		return false
	case c.written == 0:
		return true
	}
	return Harmless(req.Method)
}

// Harmless reports whether a request changes nothing by its method (RFC 9110, 9.2.1).
func Harmless(method string) bool {
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

	mu      sync.Mutex // guards those below; not held while reading
	reading bool       // the reader ends the exchange
	err     error      // of all later reads
}

var errClosed = errors.New("http1: read of a response that was closed")

// Read implements [io.Reader].
func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	if over := b.err; over != nil {
		b.mu.Unlock()
		return 0, over
	}
	b.reading = true
	b.mu.Unlock()
	n, err := b.from.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reading = false
	switch {
	case b.err != nil: // Close came meanwhile
		b.end(false)
		return n, b.err
	case err != nil:
		if !b.end(errors.Is(err, io.EOF)) && b.ctx.Err() != nil {
			// What was read may only be the server's reaction to the end of the request.
			err = context.Cause(b.ctx)
		}
		b.err = err
	}
	return n, err
}

// Close implements [io.Closer]. It ends a Read that waits, and does not wait for it.
func (b *body) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.err != nil:
		return nil
	case b.reading:
		b.conn.interrupt()
	default:
		b.end(false)
	}
	b.err = errClosed
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

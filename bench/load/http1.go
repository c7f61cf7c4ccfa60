package load

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

const (
	dialTimeout = 5 * time.Second
	// bufferSize, in bytes, is enough for any head. Larger bodies bypass the buffer.
	bufferSize = 16 << 10
)

// http1 is a connection of HTTP/1.1, by hand.
type http1 struct {
	net.Conn
	buf  []byte
	r, w int // buf[r:w] has been received and not used

	// The body being received.
	left    int64 // bytes of it, or of its chunk, still to come; -1 until the connection closes
	chunked bool
	ended   bool
	closing bool // the server closes the connection after this answer
}

func dialHTTP1(addr string) (conn, error) {
	c, err := net.DialTimeout("tcp", addr, dialTimeout)
	if err != nil {
		return nil, err
	}
	return &http1{Conn: c, buf: make([]byte, bufferSize), ended: true}, nil
}

// zeros is what bodies of requests have.
var zeros [bulkBuffer]byte

func (c *http1) send(r *request) error {
	if _, err := c.Write(r.head); err != nil {
		return err
	}
	for left := r.length; left > 0; {
		n, err := c.Write(zeros[:min(left, bulkBuffer)])
		if err != nil {
			return err
		}
		left -= int64(n)
	}
	return noEOF(c.head())
}

// fill receives more into buf.
func (c *http1) fill() error {
	if c.r == c.w {
		c.r, c.w = 0, 0
	} else if c.w == len(c.buf) {
		if c.r == 0 {
			return fmt.Errorf("answer's head is over %d bytes", len(c.buf))
		}
		c.w = copy(c.buf, c.buf[c.r:c.w])
		c.r = 0
	}
	n, err := c.Conn.Read(c.buf[c.w:])
	c.w += n
	if n > 0 {
		return nil
	}
	return err
}

// head receives the head of an answer, which must be a 200.
func (c *http1) head() error {
	var head []byte
	for {
		if i := bytes.Index(c.buf[c.r:c.w], []byte("\r\n\r\n")); i >= 0 {
			head = c.buf[c.r : c.r+i+2]
			c.r += i + 4
			break
		}
		if err := c.fill(); err != nil {
			return err
		}
	}
	line, rest, _ := bytes.Cut(head, []byte("\r\n"))
	if len(line) < 12 || string(line[:7]) != "HTTP/1." {
		return fmt.Errorf("not an HTTP answer: %.60q", line)
	}
	c.left, c.chunked, c.ended, c.closing = -1, false, false, false
	for len(rest) > 0 {
		var field []byte
		field, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		name, value, _ := bytes.Cut(field, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			n, err := strconv.ParseInt(string(value), 10, 64)
			if err != nil {
				return fmt.Errorf("content length %q", value)
			}
			c.left, c.ended = n, n == 0
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			c.chunked, c.left = true, 0
		case bytes.EqualFold(name, []byte("Connection")):
			c.closing = bytes.EqualFold(value, []byte("close"))
		}
	}
	if string(line[9:12]) != "200" {
		return c.refused(line)
	}
	return nil
}

// refused is the error of an answer other than 200, with the start of its
// body, which says why.
func (c *http1) refused(line []byte) error {
	status := string(line)
	text := make([]byte, 300)
	n, _ := io.ReadFull(c, text)
	return fmt.Errorf("answer %q: %s", status, bytes.TrimSpace(text[:n]))
}

// Read reads the body of the answer.
func (c *http1) Read(p []byte) (int, error) {
	if c.ended {
		return 0, io.EOF
	}
	if c.chunked && c.left == 0 {
		if err := c.chunk(); err != nil {
			return 0, err
		}
		if c.ended {
			return 0, io.EOF
		}
	}
	if c.left >= 0 && int64(len(p)) > c.left {
		p = p[:c.left]
	}
	var n int
	var err error
	if c.r < c.w {
		n = copy(p, c.buf[c.r:c.w])
		c.r += n
	} else if n, err = c.Conn.Read(p); err != nil {
		if c.left < 0 && errors.Is(err, io.EOF) {
			c.ended = true
			return n, io.EOF
		}
		return n, noEOF(err)
	}
	if c.left >= 0 {
		c.left -= int64(n)
		switch {
		case c.left > 0:
		case c.chunked:
			return n, c.skip("\r\n")
		default:
			c.ended = true
		}
	}
	return n, nil
}

// chunk receives the line before a chunk, or the end of the last.
func (c *http1) chunk() error {
	for {
		i := bytes.IndexByte(c.buf[c.r:c.w], '\n')
		if i < 0 {
			if err := c.fill(); err != nil {
				return noEOF(err)
			}
			continue
		}
		size, _, _ := bytes.Cut(bytes.TrimSpace(c.buf[c.r:c.r+i]), []byte(";"))
		n, err := strconv.ParseInt(string(size), 16, 64)
		if err != nil || n < 0 {
			return fmt.Errorf("chunk size %.20q", size)
		}
		c.r += i + 1
		c.left = n
		if n == 0 {
			c.ended = true
			return c.skip("\r\n") // no upstream of ours sends trailers
		}
		return nil
	}
}

func (c *http1) skip(s string) error {
	for c.w-c.r < len(s) {
		if err := c.fill(); err != nil {
			return noEOF(err)
		}
	}
	if string(c.buf[c.r:c.r+len(s)]) != s {
		return fmt.Errorf("expected %q after a chunk, got %q", s, c.buf[c.r:c.r+len(s)])
	}
	c.r += len(s)
	return nil
}

func (c *http1) reusable() bool { return c.ended && !c.closing && c.r == c.w }

func (c *http1) park() {
	_ = c.SetDeadline(time.Time{})
	c.buf, c.r, c.w = nil, 0, 0 // nothing more is read
}

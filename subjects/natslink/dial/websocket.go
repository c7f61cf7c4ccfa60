package dial

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

// maxResponseHead bounds the head of a response to a handshake, in bytes.
const maxResponseHead = 16 << 10

// upgrade turns conn, on which the server awaits HTTP, into a WebSocket. If the
// path is refused, its other form, with or without a trailing slash, is tried,
// since proxies distinguish the two. After an error conn is closed, and the error is
// of the form that the server has a location for.
func (d *Dialer) upgrade(conn net.Conn) (net.Conn, error) {
	ws, err := d.handshake(conn, d.Server)
	refusal, ok := errors.AsType[*Refusal](err)
	if !ok {
		return ws, err
	}
	other, ok := refusal.otherForm(d.Server)
	if !ok {
		return nil, err
	}
	conn, again := d.open()
	if again != nil {
		return nil, again
	}
	ws, again = d.handshake(conn, other)
	if again != nil && !refusal.yieldsTo(again) {
		again = err // of the path that was configured
	}
	return ws, again
}

// handshake asks target for a WebSocket on conn. After an error conn is closed.
func (d *Dialer) handshake(conn net.Conn, target *url.URL) (ws net.Conn, err error) {
	began, h := time.Now(), d.newHandshake(conn)
	defer func() {
		d.trace(began, Step{Hop: cause.HTTPUpgrade, Target: target.EscapedPath(), Date: h.date, Err: err})
	}()
	ctx, cancel := context.WithDeadline(context.Background(), d.deadline)
	defer cancel()
	if err := d.begin(cancel); err != nil {
		_ = conn.Close()
		return nil, err
	}
	defer h.transport.CloseIdleConnections() // there is none; it ends what the transport remembers
	client := &http.Client{Transport: h, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	c, resp, err := websocket.Dial(ctx, target.String(), &websocket.DialOptions{
		HTTPClient: client, HTTPHeader: d.header(), Host: d.Header.Get("Host"), CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		_ = conn.Close()
		return nil, h.failure(err, resp, target)
	}
	_ = c.CloseNow() // of its own end of nothing: see RoundTrip
	return &webSocketConn{Conn: conn, stream: h.stream}, nil
}

// header returns what is sent besides the headers of a handshake.
func (d *Dialer) header() http.Header {
	h := http.Header{"User-Agent": {"fairlead"}}
	maps.Copy(h, d.Header)
	delete(h, "Host") // net/http takes it from elsewhere
	return h
}

// handshake is the http.RoundTripper of one WebSocket handshake on a connection
// that is already established. It keeps what is known of it.
type handshake struct {
	dialer    *Dialer
	transport *http.Transport
	first     firstBytes
	date      time.Time // of the response
	refusal   *Refusal
	// stream is the connection after a 101, with the bytes that came with it.
	stream io.ReadWriteCloser
}

func (d *Dialer) newHandshake(conn net.Conn) *handshake {
	h := &handshake{dialer: d, first: firstBytes{Conn: conn}}
	var used atomic.Bool
	take := func(context.Context, string, string) (net.Conn, error) {
		if used.Swap(true) {
			return nil, errors.New("one connection is for one handshake")
		}
		return &h.first, nil
	}
	h.transport = &http.Transport{
		DialContext: take, DialTLSContext: take,
		DisableCompression: true, MaxResponseHeaderBytes: maxResponseHead,
	}
	return h
}

// RoundTrip implements [http.RoundTripper]. After a 101 it keeps the connection
// and gives an empty one to its caller, which checks the response: frames are
// read and written by [webSocketConn].
func (h *handshake) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := h.transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	h.date = dateOf(resp.Header)
	stream, upgraded := resp.Body.(io.ReadWriteCloser)
	if upgraded {
		h.stream, resp.Body = stream, nothing{}
		return resp, nil
	}
	h.refusal = h.dialer.newRefusal(resp, h.body(resp.Body))
	_ = resp.Body.Close()
	resp.Body = http.NoBody
	return resp, nil
}

// body returns the beginning of the body of a refusal.
func (h *handshake) body(r io.Reader) []byte {
	_ = h.first.SetReadDeadline(time.Now().Add(bodyTime))
	b := make([]byte, maxBody)
	n, _ := io.ReadFull(r, b)
	return b[:n]
}

// nothing is a connection on which nothing ever arrives.
type nothing struct{}

func (nothing) Read([]byte) (int, error)    { return 0, io.EOF }
func (nothing) Write(b []byte) (int, error) { return len(b), nil }
func (nothing) Close() error                { return nil }

// firstBytes is a connection that remembers how the other end began.
type firstBytes struct {
	net.Conn
	seen atomic.Pointer[[]byte]
}

// Read implements [net.Conn].
func (c *firstBytes) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 && c.seen.Load() == nil {
		first := bytes.Clone(b[:min(n, maxFirst)])
		c.seen.Store(&first)
	}
	return n, err
}

// bytes returns the first bytes, as far as they came at once.
func (c *firstBytes) bytes() []byte {
	if first := c.seen.Load(); first != nil {
		return *first
	}
	return nil
}

// isHTTP reports whether the other end began as HTTP does.
func (c *firstBytes) isHTTP() bool { return strings.HasPrefix(string(c.bytes()), "HTTP/") }

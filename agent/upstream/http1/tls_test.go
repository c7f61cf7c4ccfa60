package http1

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// joined writes what was written to it while hold is set as one segment.
type joined struct {
	net.Conn
	held bytes.Buffer
	hold bool
}

func (j *joined) Write(b []byte) (int, error) {
	if j.hold {
		return j.held.Write(b)
	}
	return j.Conn.Write(b)
}

func (j *joined) send() { _, _ = j.held.WriteTo(j.Conn) }

// TestWhatTLSHoldsIsSeen: bytes after a response that arrived with it, in a TLS record of
// their own, are no longer in the socket. The next request must not get them as its answer.
func TestWhatTLSHoldsIsSeen(t *testing.T) {
	certified := httptest.NewTLSServer(http.NotFoundHandler())
	defer certified.Close()
	s := serve(t, func(c net.Conn, _ *bufio.Reader) {
		j := &joined{Conn: c}
		over := tls.Server(j, certified.TLS)
		for r := bufio.NewReader(over); readRequest(r) != nil; {
			j.hold = true
			_, _ = io.WriteString(over, short)
			_, _ = io.WriteString(over, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong")
			j.send()
			j.hold = false
		}
	})
	p := s.pool(t, func(cfg *Config) {
		cfg.Dial = func(context.Context) (net.Conn, error) {
			return tls.Dial("tcp", s.address, certified.Client().Transport.(*http.Transport).TLSClientConfig)
		}
	})
	for range 3 {
		if _, body, err := ask(t, p, request(t.Context(), t, "GET", "")); err != nil || body != "ok" {
			t.Fatalf("got %q, %v", body, err)
		}
	}
	if n := s.conns.Load(); n != 3 {
		t.Errorf("%d connections for three requests, each followed by what nobody asked for", n)
	}
}

package http1

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const patience = 10 * time.Second // bounds waits for what must happen

// server answers connections by hand, and counts them.
type server struct {
	address string
	conns   atomic.Int32
}

// serve starts a server that calls handle for each connection, which it then closes.
func serve(t testing.TB, handle func(c net.Conn, r *bufio.Reader)) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{address: l.Addr().String()}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.conns.Add(1)
			all.Go(func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(patience))
				handle(c, bufio.NewReader(c))
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); all.Wait() })
	return s
}

// answering answers each request with the same bytes.
func answering(t testing.TB, answer string) *server {
	return serve(t, func(c net.Conn, r *bufio.Reader) {
		for readRequest(r) != nil {
			_, _ = io.WriteString(c, answer)
		}
	})
}

// readRequest returns a request whose body was read, nil at the end of the connection.
func readRequest(r *bufio.Reader) *http.Request {
	req, err := http.ReadRequest(r)
	if err != nil {
		return nil
	}
	b, err := io.ReadAll(req.Body)
	if err != nil {
		return nil
	}
	req.Body = io.NopCloser(strings.NewReader(string(b)))
	return req
}

// pool returns a pool for s; change may be nil.
func (s *server) pool(t testing.TB, change func(*Config)) *Pool {
	cfg := Config{
		Dial: func(ctx context.Context) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", s.address)
		},
		MaxIdle: 4, MaxBusy: 4, IdleTimeout: time.Minute, MaxAge: time.Hour, MaxHead: 16 << 10,
	}
	if change != nil {
		change(&cfg)
	}
	p := New(cfg)
	t.Cleanup(func() {
		p.CloseIdleConnections()
		if n := p.busy.Load(); n != 0 {
			t.Errorf("%d connections are still said to be in use", n)
		}
	})
	return p
}

// request returns one; a body is one that can be sent again.
func request(ctx context.Context, t testing.TB, method, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, "http://server.test/path?query", nil)
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.ContentLength = int64(len(body))
		req.Body = memory{strings.NewReader(body)}
		req.GetBody = func() (io.ReadCloser, error) { return memory{strings.NewReader(body)}, nil }
	}
	return req
}

// memory is a body in memory.
type memory struct{ *strings.Reader }

func (memory) Close() error { return nil }

// ask returns status and body of a response, which it reads to its end.
func ask(t testing.TB, p *Pool, req *http.Request) (*http.Response, string, error) {
	t.Helper()
	resp, err := p.RoundTrip(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp, string(b), err
}

const short = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

package http1

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// larger is more than the kernels of both ends hold of a body that nobody reads.
const larger = 16 << 20

// TestEarlyAnswers: a server that does not want a body answers before it has arrived, and
// ends the connection. Its answer is the response.
func TestEarlyAnswers(t *testing.T) {
	certified := httptest.NewTLSServer(http.NotFoundHandler())
	defer certified.Close()
	for _, secure := range []bool{false, true} {
		for _, status := range []int{401, 413, 200} {
			t.Run(fmt.Sprint(status, secure), func(t *testing.T) {
				s := serve(t, func(c net.Conn, _ *bufio.Reader) {
					if secure {
						c = tls.Server(c, certified.TLS)
					}
					if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
						t.Error(err)
					}
					_, _ = fmt.Fprintf(c, "HTTP/1.1 %d Early\r\nContent-Length: 2\r\n\r\nno", status)
					_ = c.Close() // with bytes unread: the kernel resets the connection
				})
				p := s.pool(t, func(cfg *Config) {
					if secure {
						cfg.Dial = func(context.Context) (net.Conn, error) {
							return tls.Dial("tcp", s.address, certified.Client().Transport.(*http.Transport).TLSClientConfig)
						}
					}
				})
				for range 2 {
					resp, body, err := ask(t, p, request(t.Context(), t, "POST", strings.Repeat("x", larger)))
					if err != nil || resp.StatusCode != status || body != "no" {
						t.Errorf("got %v, %q, %v", resp, body, err)
					}
				}
				if n := s.conns.Load(); n != 2 {
					t.Errorf("%d connections for two requests", n)
				}
			})
		}
	}
}

// TestResetWhileWriting: what may have been executed is not sent again, though the
// connection had served before.
func TestResetWhileWriting(t *testing.T) {
	for _, before := range []string{"", "HTTP/1.1 413 Too", "HTTP/1.1 103 Early Hints\r\n\r\n"} {
		s := serve(t, func(c net.Conn, r *bufio.Reader) {
			readRequest(r)
			_, _ = io.WriteString(c, short)
			if _, err := http.ReadRequest(r); err == nil {
				_, _ = io.WriteString(c, before)
				_ = c.(*net.TCPConn).SetLinger(0)
			}
		})
		p := s.pool(t, nil)
		if _, _, err := ask(t, p, request(t.Context(), t, "POST", "x")); err != nil {
			t.Fatal(err)
		}
		if resp, _, err := ask(t, p, request(t.Context(), t, "POST", strings.Repeat("x", larger))); err == nil {
			t.Errorf("%q: got %v", before, resp)
		}
		if n := s.conns.Load(); n != 1 {
			t.Errorf("%q: %d connections: the request was sent again", before, n)
		}
	}
}

// TestContextEndsEarlierWaits: for a connection, and for a server that reads nothing.
func TestContextEndsEarlierWaits(t *testing.T) {
	cause := errors.New("enough")
	t.Run("connection", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		p := serve(t, nil).pool(t, func(c *Config) {
			c.Dial = func(ctx context.Context) (net.Conn, error) {
				cancel(cause)
				<-ctx.Done()
				return nil, context.Cause(ctx)
			}
		})
		if _, err := p.RoundTrip(request(ctx, t, "GET", "")); !errors.Is(err, cause) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("writing", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		over := make(chan bool)
		s := serve(t, func(_ net.Conn, r *bufio.Reader) {
			_, _ = http.ReadRequest(r)
			cancel(cause)
			<-over
		})
		_, err := s.pool(t, nil).RoundTrip(request(ctx, t, "POST", strings.Repeat("x", larger)))
		close(over)
		if !errors.Is(err, cause) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("ended before", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		s := answering(t, short)
		if _, err := s.pool(t, nil).RoundTrip(request(ctx, t, "POST", "x")); err == nil {
			t.Error("no error")
		}
	})
}

// TestCloseWhileReading: Close ends a Read that waits in another goroutine, and the
// connection is not used again, whatever the server says later.
func TestCloseWhileReading(t *testing.T) {
	for name, begin := range map[string]string{
		"length": "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nx", "chunks": chunked + "1\r\nx\r\n", "until the end": "HTTP/1.1 200 OK\r\n\r\nx",
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(c net.Conn, r *bufio.Reader) {
				for readRequest(r) != nil {
					_, _ = io.WriteString(c, begin)
				}
			})
			p := s.pool(t, nil)
			for range 2 {
				resp, err := p.RoundTrip(request(t.Context(), t, "GET", ""))
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(resp.Body, make([]byte, 1)); err != nil {
					t.Fatal(err)
				}
				var reader sync.WaitGroup
				begun := make(chan bool)
				reader.Go(func() {
					close(begun)
					if n, err := resp.Body.Read(make([]byte, 8)); n > 0 || !errors.Is(err, errClosed) {
						t.Errorf("read %d, %v", n, err)
					}
				})
				<-begun
				_ = resp.Body.Close()
				_ = resp.Body.Close()
				reader.Wait()
				if _, err := resp.Body.Read(make([]byte, 8)); !errors.Is(err, errClosed) {
					t.Errorf("later: %v", err)
				}
			}
			if n := s.conns.Load(); n != 2 {
				t.Errorf("%d connections for two abandoned responses", n)
			}
		})
	}
}

// TestCloseAtTheEndOfReading: Close may come while the last bytes are read. The connection
// is then kept or closed, and accounted for in both cases.
func TestCloseAtTheEndOfReading(t *testing.T) {
	s := answering(t, short)
	p := s.pool(t, nil)
	for range 200 {
		resp, err := p.RoundTrip(request(t.Context(), t, "GET", ""))
		if err != nil {
			t.Fatal(err)
		}
		var both sync.WaitGroup
		both.Go(func() {
			if b, err := io.ReadAll(resp.Body); err == nil && string(b) != "ok" {
				t.Errorf("read %q without an error", b)
			}
		})
		both.Go(func() { _ = resp.Body.Close() })
		both.Wait()
		if n := p.busy.Load(); n != 0 {
			t.Fatalf("%d connections are said to be in use", n)
		}
	}
}

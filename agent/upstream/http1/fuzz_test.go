package http1

import (
	"bufio"
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// FuzzResponse: whatever a server sends, the request ends, what is read is bounded by what
// was sent, and the connection is accounted for.
func FuzzResponse(f *testing.F) {
	for _, seed := range []string{
		short, short + short, "HTTP/1.1 103 Early Hints\r\n\r\n" + short, "HTTP/1.1 200 OK\r\n\r\nuntil the end",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: A\r\n\r\n2\r\nok\r\n0\r\nA: b\r\n\r\n",
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "SSH-2.0-x\r\n", "",
	} {
		f.Add(seed, "GET")
		f.Add(seed, "POST")
	}
	f.Fuzz(func(t *testing.T, answer, method string) {
		hung := time.AfterFunc(patience, func() { panic("the request does not end") })
		defer hung.Stop()
		p := New(Config{
			MaxIdle: 1, MaxBusy: 1, IdleTimeout: time.Minute, MaxAge: time.Hour, MaxHead: 1 << 10,
			Dial: func(context.Context) (net.Conn, error) {
				near, far := net.Pipe()
				go func() {
					defer far.Close()
					if readRequest(bufio.NewReader(far)) != nil {
						_, _ = io.WriteString(far, answer)
					}
				}()
				return near, nil
			},
		})
		defer p.CloseIdleConnections()
		req := request(t.Context(), t, "GET", "")
		req.Method = method
		resp, err := p.RoundTrip(req)
		if err == nil {
			if b, _ := io.ReadAll(resp.Body); len(b) > len(answer) {
				t.Errorf("%d bytes of body in an answer of %d", len(b), len(answer))
			}
			_ = resp.Body.Close()
		}
		if n := p.busy.Load(); n != 0 {
			t.Errorf("%d connections are said to be in use", n)
		}
	})
}

// FuzzNextAnswer: whatever a server answers, the next request gets its own answer, over that
// connection or another.
func FuzzNextAnswer(f *testing.F) {
	for _, test := range framings {
		if len(test.answer) < 1<<10 {
			f.Add(test.answer, "GET")
		}
	}
	f.Add(short, "HEAD")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = l.Close() })
	f.Fuzz(func(t *testing.T, answer, method string) {
		var servers sync.WaitGroup
		first := true
		p := New(Config{
			MaxIdle: 1, MaxBusy: 1, IdleTimeout: time.Minute, MaxAge: time.Hour, MaxHead: 1 << 10,
			Dial: func(context.Context) (net.Conn, error) {
				near, err := net.Dial("tcp", l.Addr().String())
				if err != nil {
					return nil, err
				}
				far, err := l.Accept()
				answers := []string{answer, next}[map[bool]int{true: 0, false: 1}[first]:]
				first = false
				servers.Go(func() {
					defer far.Close()
					r := bufio.NewReader(far)
					for _, a := range answers {
						if readRequest(r) == nil {
							return
						}
						_, _ = io.WriteString(far, a)
						_ = far.SetReadDeadline(time.Now().Add(5 * time.Millisecond)) // the answer may be without an end
					}
				})
				return near, err
			},
		})
		req := request(t.Context(), t, "GET", "")
		req.Method = method
		if _, _, _ = ask(t, p, req); first {
			return // not sent: the method is none
		}
		if _, body, err := ask(t, p, request(t.Context(), t, "GET", "")); err != nil || body != "next" {
			t.Errorf("the request after it got %q, %v", body, err)
		}
		p.CloseIdleConnections()
		servers.Wait()
	})
}

const next = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext"

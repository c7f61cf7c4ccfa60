package http1

import (
	"bufio"
	"io"
	"net"
	"sync/atomic"
	"testing"
)

// TestRepeats: a connection answers one request, and breaks off at the second. What may
// change something is executed once, whatever the server did with it.
func TestRepeats(t *testing.T) {
	type test struct {
		name, method, body string
		second             func(c net.Conn, r *bufio.Reader) // of the first connection
		executed           int32                             // in all, after the first one
		fails              bool
	}
	reads := func(answer string) func(c net.Conn, r *bufio.Reader) {
		return func(c net.Conn, r *bufio.Reader) {
			readRequest(r)
			_, _ = io.WriteString(c, answer)
		}
	}
	for _, test := range []test{
		{"GET without an answer", "GET", "", reads(""), 2, false},
		{"HEAD without an answer", "HEAD", "", reads(""), 2, false},
		{"POST without an answer", "POST", "x", reads(""), 1, true},
		{"DELETE without an answer", "DELETE", "", reads(""), 1, true},
		{"GET with half a head", "GET", "", reads("HTTP/1.1 2"), 1, true},
		{"GET with half a body", "GET", "", reads("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"), 1, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var first atomic.Bool
			var executed atomic.Int32
			first.Store(true)
			s := serve(t, func(c net.Conn, r *bufio.Reader) {
				breaks := first.Swap(false)
				for i := 0; ; i++ {
					if breaks && i == 1 {
						if _, err := r.Peek(1); err == nil {
							executed.Add(1)
							test.second(c, r)
						}
						return
					}
					if readRequest(r) == nil {
						return
					}
					if i > 0 || !breaks {
						executed.Add(1)
					}
					answer := short
					if test.method == "HEAD" {
						answer = "HTTP/1.1 200 OK\r\n\r\n"
					}
					_, _ = io.WriteString(c, answer)
				}
			})
			p := s.pool(t, nil)
			if _, _, err := ask(t, p, request(t.Context(), t, test.method, test.body)); err != nil {
				t.Fatal(err)
			}
			if _, _, err := ask(t, p, request(t.Context(), t, test.method, test.body)); (err != nil) != test.fails {
				t.Errorf("error %v, want one: %v", err, test.fails)
			}
			if n := executed.Load(); n != test.executed {
				t.Errorf("executed %d times, want %d", n, test.executed)
			}
		})
	}
}

// TestClosedOrTalkingWhileIdle: a connection that the server has closed, or on which it has
// sent something, gets no other request, so that not even a POST fails.
func TestClosedOrTalkingWhileIdle(t *testing.T) {
	for name, last := range map[string]string{
		"closed": "", "says that it was idle": "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			end, ended := make(chan bool), make(chan bool)
			s := serve(t, func(c net.Conn, r *bufio.Reader) {
				readRequest(r)
				_, _ = io.WriteString(c, short)
				<-end
				_, _ = io.WriteString(c, last)
				_ = c.(*net.TCPConn).CloseWrite()
				ended <- true
				_, _ = r.ReadByte()
			})
			p := s.pool(t, nil)
			for range 3 {
				if resp, _, err := ask(t, p, request(t.Context(), t, "POST", "x")); err != nil || resp.StatusCode != 200 {
					t.Fatalf("got %v, %v", resp, err)
				}
				end <- true
				<-ended
				for p.idleAlive() { // until the kernel has it
				}
			}
			if n := s.conns.Load(); n != 3 {
				t.Errorf("%d connections for three requests", n)
			}
		})
	}
}

// idleAlive reports whether an idle connection seems to be open.
func (p *Pool) idleAlive() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.idle) > 0 && p.idle[0].alive()
}

package http1

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestResponses: what a server may answer, and whether the connection can serve again.
func TestResponses(t *testing.T) {
	for _, test := range []struct {
		name, method, answer string
		status               int
		body                 string
		reused               bool
	}{
		{"length", "GET", short, 200, "ok", true},
		{"chunked", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200, "ok", true},
		{"trailer", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: A\r\n\r\n2\r\nok\r\n0\r\nA: b\r\n\r\n", 200, "ok", true},
		{"no body", "DELETE", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", true},
		{"not modified", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", 304, "", true},
		{"HEAD", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", 200, "", true},
		{"interim", "GET", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + short, 200, "ok", true},
		{"close", "GET", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", 200, "ok", false},
		{"HTTP/1.0", "GET", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok", false},
		{"more than the length", "GET", short + "HTTP/1.1 200 forged\r\nContent-Length: 0\r\n\r\n", 200, "ok", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := answering(t, test.answer)
			p := s.pool(t, nil)
			for range 2 {
				resp, body, err := ask(t, p, request(t.Context(), t, test.method, ""))
				if err != nil || resp.StatusCode != test.status || body != test.body {
					t.Fatalf("got %v, %q, %v", resp, body, err)
				}
				if test.name == "trailer" && resp.Trailer.Get("A") != "b" {
					t.Errorf("trailer %v", resp.Trailer)
				}
			}
			if reused := s.conns.Load() == 1; reused != test.reused {
				t.Errorf("%d connections for two requests", s.conns.Load())
			}
		})
	}
}

// TestBodyUntilTheEnd: the end of the connection is that of the body.
func TestBodyUntilTheEnd(t *testing.T) {
	s := serve(t, func(c net.Conn, r *bufio.Reader) {
		if readRequest(r) != nil {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\nuntil the end")
		}
	})
	if _, body, err := ask(t, s.pool(t, nil), request(t.Context(), t, "GET", "")); err != nil || body != "until the end" {
		t.Errorf("got %q, %v", body, err)
	}
}

// TestUnreadResponseIsNotKept: what is left of a response must not answer another request.
func TestUnreadResponseIsNotKept(t *testing.T) {
	s := answering(t, short)
	p := s.pool(t, nil)
	for range 2 {
		resp, err := p.RoundTrip(request(t.Context(), t, "GET", ""))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if _, err := resp.Body.Read(make([]byte, 1)); err == nil {
			t.Error("a response that was closed can be read")
		}
	}
	if n := s.conns.Load(); n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
}

// TestRequestAsSent: heads and bodies are what net/http would send.
func TestRequestAsSent(t *testing.T) {
	var got http.Request
	var body []byte
	s := serve(t, func(c net.Conn, r *bufio.Reader) {
		req := readRequest(r)
		body, _ = io.ReadAll(req.Body)
		got = *req
		_, _ = io.WriteString(c, short)
	})
	req := request(t.Context(), t, "PATCH", "a body")
	req.Header["X-One"] = []string{"1", "2"}
	if _, _, err := ask(t, s.pool(t, nil), req); err != nil {
		t.Fatal(err)
	}
	if got.RequestURI != "/path?query" || got.Host != "server.test" || got.Method != "PATCH" || len(got.Header["X-One"]) != 2 ||
		got.ContentLength != 6 || string(body) != "a body" {
		t.Errorf("got %+v and body %q", got, body)
	}
	empty := request(t.Context(), t, "POST", "x")
	empty.Body, empty.ContentLength = memory{strings.NewReader("")}, 0
	if _, _, err := ask(t, s.pool(t, nil), empty); err != nil || got.ContentLength != 0 || len(got.TransferEncoding) > 0 {
		t.Errorf("a body of no bytes: %v, length %d, %v", err, got.ContentLength, got.TransferEncoding)
	}
}

// TestRefusesWhatWouldSmuggle: nothing is sent of a head that would be read as another.
func TestRefusesWhatWouldSmuggle(t *testing.T) {
	s := answering(t, short)
	p := s.pool(t, nil)
	for name, change := range map[string]func(*http.Request){
		"method": func(r *http.Request) { r.Method = "GET / HTTP/1.1\r\nX: y\r\n\r\nGET" },
		"name":   func(r *http.Request) { r.Header["A\r\nB"] = []string{"c"} },
		"value":  func(r *http.Request) { r.Header["A"] = []string{"b\r\nC: d"} },
		"target": func(r *http.Request) { r.URL.Opaque = "/a HTTP/1.1\r\nX: y\r\n\r\n" },
	} {
		req := request(t.Context(), t, "GET", "")
		change(req)
		if _, err := p.RoundTrip(req); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestHeadIsBounded: that of the response, with those before it.
func TestHeadIsBounded(t *testing.T) {
	for name, line := range map[string]string{
		"fields":  "A: " + strings.Repeat("a", 1000) + "\r\n",
		"interim": "\r\nHTTP/1.1 102 Processing\r\n",
	} {
		s := serve(t, func(c net.Conn, r *bufio.Reader) {
			readRequest(r)
			_, _ = io.WriteString(c, "HTTP/1.1 103 Early Hints\r\n"+strings.Repeat(line, 2000))
		})
		if _, err := s.pool(t, nil).RoundTrip(request(t.Context(), t, "GET", "")); err == nil || !strings.Contains(err.Error(), "16384 bytes") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestContextEndsWhatWaits: for the head, and for the body.
func TestContextEndsWhatWaits(t *testing.T) {
	cause := errors.New("enough")
	for name, begin := range map[string]string{
		"head": "HTTP/1.1 200", "body": "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nx",
		"body until the end": "HTTP/1.1 200 OK\r\n\r\nx",
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			s := serve(t, func(c net.Conn, r *bufio.Reader) {
				readRequest(r)
				_, _ = io.WriteString(c, begin)
				cancel(cause)
				_, _ = r.ReadByte() // until the client closes the connection
			})
			if _, _, err := ask(t, s.pool(t, nil), request(ctx, t, "GET", "")); !errors.Is(err, cause) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestBusy(t *testing.T) {
	arrived, goOn := make(chan bool), make(chan bool)
	s := serve(t, func(c net.Conn, r *bufio.Reader) {
		readRequest(r)
		arrived <- true
		<-goOn
		_, _ = io.WriteString(c, short)
	})
	p := s.pool(t, func(c *Config) { c.MaxBusy = 1 })
	var first sync.WaitGroup
	first.Go(func() {
		if _, _, err := ask(t, p, request(t.Context(), t, "GET", "")); err != nil {
			t.Error(err)
		}
	})
	<-arrived
	if _, err := p.RoundTrip(request(t.Context(), t, "GET", "")); !errors.Is(err, ErrBusy) {
		t.Errorf("got %v, want ErrBusy", err)
	}
	close(goOn)
	first.Wait()
	go func() { <-arrived }()
	if _, _, err := ask(t, p, request(t.Context(), t, "GET", "")); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// TestIdleConnectionsAreClosed: after a time, and those that are too many at once.
func TestIdleConnectionsAreClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var open atomic.Int32
		p := New(Config{
			MaxIdle: 1, MaxBusy: 2, IdleTimeout: time.Minute, MaxAge: time.Hour, MaxHead: 1 << 10,
			Dial: func(context.Context) (net.Conn, error) {
				near, far := net.Pipe()
				open.Add(1)
				go func() {
					defer open.Add(-1)
					defer far.Close()
					for r := bufio.NewReader(far); readRequest(r) != nil; {
						_, _ = io.WriteString(far, short)
					}
				}()
				return near, nil
			},
		})
		two := make([]*http.Response, 2)
		for i := range two {
			var err error
			if two[i], err = p.RoundTrip(request(t.Context(), t, "GET", "")); err != nil {
				t.Fatal(err)
			}
		}
		for _, r := range two {
			_, _ = io.ReadAll(r.Body)
		}
		if synctest.Wait(); open.Load() != 1 {
			t.Errorf("%d connections are kept, want 1", open.Load())
		}
		time.Sleep(90 * time.Second)
		if synctest.Wait(); open.Load() != 0 {
			t.Errorf("%d connections are open after a minute and a half", open.Load())
		}
	})
}

// TestOverTLS: the socket below TLS shows that the server has closed the connection.
func TestOverTLS(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	defer s.Close()
	var dialed int
	p := New(Config{
		MaxIdle: 1, MaxBusy: 1, IdleTimeout: time.Minute, MaxAge: time.Hour, MaxHead: 1 << 10,
		Dial: func(context.Context) (net.Conn, error) {
			dialed++
			return tls.Dial("tcp", s.Listener.Addr().String(), s.Client().Transport.(*http.Transport).TLSClientConfig)
		},
	})
	defer p.CloseIdleConnections()
	for range 3 {
		if _, body, err := ask(t, p, request(t.Context(), t, "POST", "x")); err != nil || body != "ok" {
			t.Fatal(body, err)
		}
	}
	if dialed != 1 {
		t.Errorf("%d connections for three requests", dialed)
	}
	s.CloseClientConnections()
	if _, _, err := ask(t, p, request(t.Context(), t, "POST", "x")); err != nil || dialed != 2 {
		t.Errorf("after the server has closed it: %v, %d connections", err, dialed)
	}
}

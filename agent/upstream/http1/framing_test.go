package http1

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// chunked is a head with chunks to follow.
const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

// forged is what must never answer a request.
const forged = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"

// framings are first answers of a connection: the body of one that is taken, "!" for one
// that is an error, and whether the connection may serve again.
var framings = []struct {
	name, answer, body string
	kept               bool
}{
	{"plain", short, "ok", true},
	{"chunks", chunked + "2\r\nok\r\n0\r\n\r\n", "ok", true},

	{"length and chunks", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "ok", false},
	{"chunks and length", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 100\r\n\r\n2\r\nok\r\n0\r\n\r\n", "ok", false},
	{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!", "!", false},
	{"the same length twice", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", "ok", false},
	{"a list of lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok", "!", false},
	{"negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nok", "!", false},
	{"signed length", "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok", "!", false},
	{"huge length", "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551618\r\n\r\nok", "!", false},
	{"hexadecimal length", "HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nok", "!", false},
	{"empty length", "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", "!", false},
	{"unknown coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "!", false},
	{"two codings", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n2\r\nok\r\n0\r\n\r\n", "!", false},

	{"junk after a chunk's size", chunked + "2 x\r\nok\r\n0\r\n\r\n", "!", false},
	{"signed chunk", chunked + "+2\r\nok\r\n0\r\n\r\n", "!", false},
	{"huge chunk", chunked + "fffffffffffffffff\r\nok\r\n0\r\n\r\n", "!", false},
	{"chunk extension", chunked + "2;a=b\r\nok\r\n0\r\n\r\n", "ok", true},
	{"long chunk extension", chunked + "2;" + strings.Repeat("a", 8<<10) + "\r\nok\r\n0\r\n\r\n", "!", false},
	{"chunk's size ends by LF", chunked + "2\nok\r\n0\r\n\r\n", "!", false},
	{"chunk is longer than its size", chunked + "2\r\nokok\r\n0\r\n\r\n", "!", false},
	{"trailer", chunked + "2\r\nok\r\n0\r\nContent-Length: 7\r\n\r\n", "ok", true},
	{"long trailer", chunked + "2\r\nok\r\n0\r\nA: " + strings.Repeat("a", 64<<10) + "\r\n\r\n", "!", false},

	{"folded line", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 2\r\n\r\nok", "ok", false},
	{"folded length", "HTTP/1.1 200 OK\r\nContent-Length:\r\n 2\r\n\r\nok", "ok", false},
	{"length in a folded line", "HTTP/1.1 200 OK\r\nA: b\r\n Content-Length: 9\r\nContent-Length: 2\r\n\r\nok", "ok", false},
	{"lines end by LF", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", "ok", false},
	{"head ends by LF", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\nok", "ok", false},
	{"CR in a value", "HTTP/1.1 200 OK\r\nA: b\rContent-Length: 9\r\nContent-Length: 2\r\n\r\nok", "!", false},
	{"NUL in a value", "HTTP/1.1 200 OK\r\nA: b\x00c\r\nContent-Length: 2\r\n\r\nok", "!", false},
	{"NUL in a name", "HTTP/1.1 200 OK\r\nA\x00: b\r\nContent-Length: 2\r\n\r\nok", "!", false},

	{"HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", false},
	{"HTTP/1.0 that keeps", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", "ok", false},
	{"HTTP/1.0 with chunks", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok", "ok", false},
	{"HTTP/2.0", "HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "!", false},
	{"HTTP/0.9", "ok", "!", false},
	{"another protocol", "SSH-2.0-x\r\n", "!", false},
	{"status below 100", "HTTP/1.1 099 No\r\n\r\n" + forged, "!", false},
	{"signed status", "HTTP/1.1 +20 OK\r\nContent-Length: 2\r\n\r\nok", "!", false},

	{"interim", "HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n" + short, "ok", true},
	{"interim with a length", "HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\n" + short, "ok", false},
	{"flood of interim answers", strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 10000), "!", false},
	{"no content with a length", "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n", "", false},
	{"no content with chunks", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", "", false},
	{"not modified with a body", "HTTP/1.1 304 Not Modified\r\nContent-Length: 63\r\n\r\n" + forged, "", false},
	{"reset content", "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n", "", true},

	{"close", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", "ok", false},
	{"Close", "HTTP/1.1 200 OK\r\nconnection: CLOSE\r\nContent-Length: 2\r\n\r\nok", "ok", false},
	{"close in a list", "HTTP/1.1 200 OK\r\nConnection: a,\tClose ,b\r\nContent-Length: 2\r\n\r\nok", "ok", false},
	{"close in a second field", "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", "ok", false},
}

// TestFraming: answers whose end is doubtful are taken or refused, and never is what follows
// them the answer to another request.
func TestFraming(t *testing.T) {
	certified := httptest.NewTLSServer(http.NotFoundHandler())
	defer certified.Close()
	for _, secure := range []bool{false, true} {
		for _, pieces := range []int{1, 3} { // the answer is written in
			for _, test := range framings {
				t.Run(fmt.Sprintf("%s/TLS=%v/%d", test.name, secure, pieces), func(t *testing.T) {
					s := serve(t, func(c net.Conn, _ *bufio.Reader) {
						if secure {
							c = tls.Server(c, certified.TLS)
						}
						r := bufio.NewReader(c)
						for n := 0; ; n++ {
							req := readRequest(r)
							switch {
							case req == nil:
								return
							case req.URL.Path == "/second":
								_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond")
								continue
							}
							for i := range pieces {
								_, _ = io.WriteString(c, test.answer[len(test.answer)*i/pieces:len(test.answer)*(i+1)/pieces])
							}
							if test.body == "!" {
								_ = c.Close() // what is unfinished must not wait for more
							}
						}
					})
					p := s.pool(t, func(cfg *Config) {
						if secure {
							cfg.Dial = func(context.Context) (net.Conn, error) {
								return tls.Dial("tcp", s.address, certified.Client().Transport.(*http.Transport).TLSClientConfig)
							}
						}
					})
					if _, body, err := ask(t, p, request(t.Context(), t, "GET", "")); (err != nil) != (test.body == "!") || err == nil && body != test.body {
						t.Errorf("got %q, %v, want %q", body, err, test.body)
					}
					second := request(t.Context(), t, "GET", "")
					second.URL.Path = "/second"
					if _, body, err := ask(t, p, second); err != nil || body != "second" {
						t.Errorf("another request got %q, %v", body, err)
					}
					if n := s.conns.Load(); n != map[bool]int32{true: 1, false: 2}[test.kept] {
						t.Errorf("%d connections; want it kept: %v", n, test.kept)
					}
				})
			}
		}
	}
}

// TestBodiesOfHEAD: an answer to HEAD has none, whatever its head says.
func TestBodiesOfHEAD(t *testing.T) {
	for name, answer := range map[string]string{
		"length": "HTTP/1.1 200 OK\r\nContent-Length: 44\r\n\r\n" + forged, "chunks": chunked + "2\r\nok\r\n0\r\n\r\n",
		"neither": "HTTP/1.1 200 OK\r\n\r\nuntil the end",
	} {
		t.Run(name, func(t *testing.T) {
			s := answering(t, answer)
			p := s.pool(t, nil)
			for range 2 {
				if resp, body, err := ask(t, p, request(t.Context(), t, "HEAD", "")); err != nil || body != "" || resp.StatusCode != 200 {
					t.Errorf("got %v, %q, %v", resp, body, err)
				}
			}
			if n := s.conns.Load(); n != 2 {
				t.Errorf("%d connections for two requests whose answers have bodies", n)
			}
		})
	}
}

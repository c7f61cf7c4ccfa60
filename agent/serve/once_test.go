package serve

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// cuts are the ways in which a connection over TLS ends.
var cuts = map[string]func(c *tls.Conn){
	"close_notify": func(c *tls.Conn) { _ = c.Close() },
	"end":          func(c *tls.Conn) { _ = c.NetConn().Close() },
	"reset": func(c *tls.Conn) {
		_ = c.NetConn().(*net.TCPConn).SetLinger(0)
		_ = c.NetConn().Close()
	},
}

// cutter is net/http's own server over TLS. It executes every request for
// /target, once it has read all of its body, or the first byte for /target/part,
// and ends the connection instead of answering.
func cutter(t *testing.T, h2 bool, cut func(*tls.Conn)) (s *httptest.Server, executed *atomic.Int32) {
	t.Helper()
	type key struct{}
	executed = new(atomic.Int32)
	s = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if want := map[bool]int{false: 1, true: 2}[h2]; r.ProtoMajor != want {
			t.Errorf("asked by HTTP/%d, want HTTP/%d", r.ProtoMajor, want)
		}
		switch r.URL.Path {
		case "/target":
			_, _ = io.Copy(io.Discard, r.Body)
		case "/target/part":
			_, _ = io.ReadFull(r.Body, make([]byte, 1))
		default:
			return
		}
		executed.Add(1)
		cut(r.Context().Value(key{}).(*tls.Conn))
		panic(http.ErrAbortHandler)
	}))
	s.EnableHTTP2 = h2
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	s.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, key{}, c) }
	s.StartTLS()
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s, executed
}

// cutBody is a request's body as a client sends it.
type cutBody struct {
	name, target string
	first, rest  string // with the head, and after it
	length       int64
}

var cutBodies = []cutBody{
	{"none", "/target", "", "", 0},
	{"whole", "/target", "body", "", 4},
	{"streamed", "/target", "bo", "dy", 4},
	{"of unknown length", "/target", "bo", "dy", -1},
	{"cut short", "/target/part", "b", "ody", 4}, // the rest comes too late
}

// cutCase is a request to a server that ends the connection instead of
// answering.
type cutCase struct {
	h2, reused bool // reused: the connection has served before
	how        string
	method     string
	body       cutBody
}

func (c *cutCase) String() string {
	return fmt.Sprintf("h2=%v/%s/reused=%v/%s/body %s", c.h2, c.how, c.reused, c.method, c.body.name)
}

// cutCases are all combinations, except that a GET has no body.
func cutCases() []cutCase {
	cases := []cutCase{{}}
	cases = times(cases, []bool{false, true}, func(c *cutCase, v bool) { c.h2 = v })
	cases = times(cases, slices.Sorted(maps.Keys(cuts)), func(c *cutCase, v string) { c.how = v })
	cases = times(cases, []bool{false, true}, func(c *cutCase, v bool) { c.reused = v })
	cases = times(cases, []string{"GET", "POST", "PUT", "PATCH", "DELETE"}, func(c *cutCase, v string) { c.method = v })
	cases = times(cases, cutBodies, func(c *cutCase, v cutBody) { c.body = v })
	return slices.DeleteFunc(cases, func(c cutCase) bool { return c.method == "GET" && c.body.name != "none" })
}

// times combines each case with each value.
func times[C, V any](cases []C, values []V, set func(*C, V)) []C {
	all := make([]C, 0, len(cases)*len(values))
	for _, c := range cases {
		for _, v := range values {
			set(&c, v)
			all = append(all, c)
		}
	}
	return all
}

// wanted is how often the server executes the request.
func (c *cutCase) wanted() int32 {
	if c.method == "GET" && c.reused && !c.h2 {
		return 2
	}
	return 1
}

// TestExecutedOnceWhereTheServerCuts: an API server that ends the connection
// after it has read a request may have executed it. A request that may change
// something is never sent again; a GET is, over HTTP/1.1, if the connection had
// served before.
func TestExecutedOnceWhereTheServerCuts(t *testing.T) {
	for _, c := range cutCases() {
		t.Run(c.String(), func(t *testing.T) {
			s, executed := cutter(t, c.h2, cuts[c.how])
			p := newPair(t, agenttest.ConfigFor(s))
			if c.reused {
				p.do(t, agenttest.Get("/warm"), nil)
			}
			_, err := agenttest.AnswerHead(c.send(t, p, executed))
			if code := subjects.CodeOf(err); code != subjects.CodeUpstream {
				t.Errorf("got %v, want %v", err, subjects.CodeUpstream)
			}
			if n := executed.Load(); n != c.wanted() {
				t.Errorf("executed %d times, want %d", n, c.wanted())
			}
		})
	}
}

// send sends the request. The rest of a body that is cut short comes once the
// server has executed the request.
func (c *cutCase) send(t *testing.T, p *pair, executed *atomic.Int32) *stream.Stream {
	head := &subjects.RequestHead{Method: c.method, Target: c.body.target, Header: http.Header{}, ContentLength: c.body.length}
	st := p.open(t, head, []byte(c.body.first), c.body.rest == "")
	if c.body.rest == "" {
		return st
	}
	for c.body.name == "cut short" && executed.Load() == 0 && st.Context().Err() == nil {
		runtime.Gosched()
	}
	_ = st.WriteFinal([]byte(c.body.rest)) // a stream that has been reset says so when it is read
	return st
}

// TestGETIsRepeatedAtMostOnceAConnection: connections that lie idle may all have
// been given up by the server, so each is tried, and a fresh one last.
func TestGETIsRepeatedAtMostOnceAConnection(t *testing.T) {
	const idle = 8
	var warm sync.WaitGroup
	warm.Add(idle)
	s, executed := cutter(t, false, cuts["reset"])
	inner := s.Config.Handler
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/warm" { // all at once, on a connection each
			warm.Done()
			warm.Wait()
		}
		inner.ServeHTTP(w, r)
	})
	p := newPair(t, agenttest.ConfigFor(s))
	var asked sync.WaitGroup
	for range idle {
		asked.Go(func() { p.do(t, agenttest.Get("/warm"), nil) })
	}
	asked.Wait()
	_, err := agenttest.AnswerHead(p.open(t, agenttest.Get("/target"), nil, true))
	if code := subjects.CodeOf(err); code != subjects.CodeUpstream || executed.Load() > idle+1 {
		t.Errorf("got %v, executed %d times; want %v and at most %d", err, executed.Load(), subjects.CodeUpstream, idle+1)
	}
}

// TestGoAway: a GOAWAY says which streams the server will not have executed.
func TestGoAway(t *testing.T) {
	for _, test := range []struct {
		name string
		last func(stream uint32) uint32
		sent int32
	}{
		{"below ours", func(stream uint32) uint32 { return max(stream, 2) - 2 }, 2},
		{"ours", func(stream uint32) uint32 { return stream }, 1},
		{"none yet", func(uint32) uint32 { return 1<<31 - 1 }, 1}, // the first of a graceful stop's two
	} {
		for _, reused := range []bool{false, true} {
			for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
				t.Run(strings.Join([]string{test.name, fmt.Sprint("reused=", reused), method}, "/"), func(t *testing.T) {
					var sent atomic.Int32
					p := newPair(t, h2server(t, func(f *http2.Framer, stream uint32, n int32) bool {
						sent.Store(n)
						if n == 1 {
							_ = f.WriteGoAway(test.last(stream), http2.ErrCodeNo, nil)
							return false // and the connection ends
						}
						ok(f, stream)
						return true
					}))
					if reused {
						p.do(t, agenttest.Get("/warm"), nil)
					}
					head := &subjects.RequestHead{Method: method, Target: "/target", Header: http.Header{}}
					_, err := agenttest.AnswerHead(p.open(t, head, nil, true))
					if want := map[int32]subjects.Code{1: subjects.CodeUpstream, 2: 0}[test.sent]; subjects.CodeOf(err) != want || want == 0 && err != nil {
						t.Errorf("got %v, want code %v", err, want)
					}
					if n := sent.Load(); n != test.sent {
						t.Errorf("sent %d times, want %d", n, test.sent)
					}
				})
			}
		}
	}
}

package serve

import (
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/agent/upstream"
	"github.com/fairlead-io/fairlead/subjects"
)

// BenchmarkUnary is a small GET through both engines and the agent to a server
// in the same process; allocations include the server's. Both is an API server as they are,
// which offers HTTP/2 and HTTP/1.1.
func BenchmarkUnary(b *testing.B) {
	body := strings.Repeat("x", 1024)
	for name, protocols := range map[string][]string{"HTTP1": {"http/1.1"}, "HTTP2": {"h2"}, "Both": {"h2", "http/1.1"}} {
		b.Run(name, func(b *testing.B) {
			s := agenttest.Server(b, protocols[0] == "h2", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })
			s.TLS.NextProtos = protocols
			config := agenttest.ConfigFor(s)
			config.BearerToken = "token"
			p := newPair(b, config)
			first, err := subjects.AppendRequestHead(nil, &subjects.RequestHead{
				Method: "GET", Target: "/api/v1/namespaces/default/pods/x", RequestID: "0123456789abcdef",
				Header: http.Header{"Accept": {"application/json"}, "User-Agent": {"kubectl/v1.34.4"}, "Accept-Encoding": {"gzip"}},
			})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					st, err := p.bridge.Open(b.Context(), "agent", first, true)
					if err != nil {
						b.Fatal(err)
					}
					if _, err := st.WriteTo(io.Discard); err != nil {
						b.Fatal(err)
					}
					_ = st.Close()
				}
			})
		})
	}
}

// BenchmarkDirect is the same without tunnel, as a yardstick.
func BenchmarkDirect(b *testing.B) {
	body := strings.Repeat("x", 1024)
	for name, h2 := range map[string]bool{"HTTP1": false, "HTTP2": true} {
		b.Run(name, func(b *testing.B) {
			s := agenttest.Server(b, h2, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })
			client := s.Client()
			client.Transport.(*http.Transport).MaxIdleConnsPerHost = 100
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					resp, err := client.Get(s.URL)
					if err != nil {
						b.Fatal(err)
					}
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
			})
			client.CloseIdleConnections()
		})
	}
}

// BenchmarkBulk is a download through both engines and the agent.
func BenchmarkBulk(b *testing.B) {
	const size = 64 << 20
	block := make([]byte, 1<<20)
	for name, h2 := range map[string]bool{"HTTP1": false, "HTTP2": true} {
		b.Run(name, func(b *testing.B) {
			s := agenttest.Server(b, h2, func(w http.ResponseWriter, _ *http.Request) {
				for range size / len(block) {
					_, _ = w.Write(block)
				}
			})
			p := newPair(b, agenttest.ConfigFor(s))
			b.SetBytes(size)
			for b.Loop() {
				st := p.open(b, agenttest.Get("/"), nil, true)
				if _, err := st.WriteTo(io.Discard); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestIdleWatchMemory measures what a watch without events costs the agent:
// the server and the bridge's engine are counted out by a second measurement.
func TestIdleWatchMemory(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector's own memory would be counted")
	}
	const watches = 1000
	s := agenttest.Server(t, true, func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	memory := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc + m.StackInuse
	}
	// Without the agent: a client of the same server that holds the responses.
	direct := func() uint64 {
		up, err := upstream.New(agenttest.ConfigFor(s), agenttest.Discard())
		if err != nil {
			t.Fatal(err)
		}
		before := memory()
		var bodies []io.Closer
		for range watches {
			target, _ := up.Target("/?watch=1")
			resp, err := up.RoundTrip((&http.Request{Method: "GET", URL: target, Host: up.Host(), Header: http.Header{}}).WithContext(t.Context()), false)
			if err != nil {
				t.Fatal(err)
			}
			bodies = append(bodies, resp.Body)
		}
		after := memory()
		for _, b := range bodies {
			_ = b.Close()
		}
		up.Close()
		return after - before
	}()
	p := newPair(t, &rest.Config{Host: agenttest.ConfigFor(s).Host, TLSClientConfig: agenttest.ConfigFor(s).TLSClientConfig})
	before := memory()
	for range watches {
		agenttest.MustHead(t, p.open(t, agenttest.Get("/?watch=1"), nil, true))
	}
	var each uint64
	// Sooner or later: acknowledgements are on their way for a while.
	agenttest.WaitFor(t, "a watch to cost server, client and both engines at most 80 KiB", func() bool {
		each = (memory() - before) / watches
		return each <= 80<<10
	})
	t.Logf("per watch: %d bytes with server, client and both engines; %d of them server and client alone", each, direct/watches)
}

package serve

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

func TestThousandWatchesCancelledAtOnce(t *testing.T) {
	agenttest.Protocols(t, func(t *testing.T, h2 bool) {
		watches := 1000
		if !h2 {
			watches = 100 // each with a connection of its own
		}
		var serving atomic.Int32
		s := agenttest.Server(t, h2, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/warm" {
				return
			}
			serving.Add(1)
			defer serving.Add(-1)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		})
		p := newPair(t, agenttest.ConfigFor(s))
		p.do(t, agenttest.Get("/warm"), nil)
		before := runtime.NumGoroutine()
		streams := make([]*stream.Stream, watches)
		var wg sync.WaitGroup
		for i := range streams {
			wg.Go(func() {
				streams[i] = p.open(t, agenttest.Get("/?watch=1"), nil, true)
				if _, err := agenttest.AnswerHead(streams[i]); err != nil {
					t.Errorf("watch %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		for _, st := range streams {
			_ = st.Close()
		}
		start := time.Now()
		agenttest.WaitFor(t, "the API server's side ends", func() bool { return serving.Load() == 0 })
		t.Logf("%d watches ended after %s", watches, time.Since(start).Round(time.Millisecond))
		agenttest.WaitFor(t, "the streams are gone", func() bool { return p.agent.Streams() == 0 && p.bridge.Streams() == 0 })
		// Handler goroutines wait a second for their next stream; HTTP/2
		// connections that the burst opened stay for the next one.
		p.up.Close()
		agenttest.WaitFor(t, "goroutines are where they were", func() bool { return runtime.NumGoroutine() <= before+2 })
	})
}

// A burst that finds no connection opens few, not one for each request.
func TestBurstOpensFewConnections(t *testing.T) {
	var opened atomic.Int32
	release := make(chan struct{})
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.(http.Flusher).Flush()
		<-release
	}))
	s.EnableHTTP2 = true
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	s.StartTLS()
	defer s.Close()
	defer close(release)
	p := newPair(t, agenttest.ConfigFor(s))
	var wg sync.WaitGroup
	for range 600 {
		wg.Go(func() {
			if _, err := agenttest.AnswerHead(p.open(t, agenttest.Get("/?watch=1"), nil, true)); err != nil {
				t.Errorf("watch: %v", err)
			}
		})
	}
	wg.Wait()
	// The server takes 250 streams on a connection, so 3 are needed. Until its
	// SETTINGS have arrived a connection takes 100 (x/net's
	// initialMaxConcurrentStreams), so a slow moment may cost up to 6.
	if n := opened.Load(); n < 3 || n > 6 {
		t.Errorf("600 watches opened %d connections, want 3 and at most 6", n)
	}
}

func TestStalledReadersCostLittleAndDelayNobody(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector's own memory would be counted")
	}
	agenttest.Protocols(t, func(t *testing.T, h2 bool) {
		const stalled = 50
		block := make([]byte, 1<<20)
		s := agenttest.Server(t, h2, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/quick" {
				return
			}
			for range 1 << 10 { // 1 GiB
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		})
		p := newPair(t, agenttest.ConfigFor(s))
		p.do(t, agenttest.Get("/quick"), nil)
		memory := func() int64 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return int64(m.HeapAlloc + m.StackInuse)
		}
		before := memory()
		for range stalled {
			st := p.open(t, agenttest.Get("/large"), nil, true)
			agenttest.MustHead(t, st)
			if _, err := io.CopyN(io.Discard, st, 1<<20); err != nil {
				t.Fatal(err)
			}
		}
		// All buffers have filled once memory stops growing.
		last := memory()
		agenttest.WaitFor(t, "buffers are full", func() bool {
			time.Sleep(100 * time.Millisecond)
			now := memory()
			full := now < last+1<<20
			last = now
			return full
		})
		each := (last - before) / stalled
		t.Logf("%d KiB a stalled stream: API server, agent and bridge together", each>>10)
		if each > 2<<20 {
			t.Errorf("%d bytes a stalled stream, at most 1 MiB on each side", each)
		}
		start := time.Now()
		for range 20 {
			p.do(t, agenttest.Get("/quick"), nil)
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("20 quick requests took %s beside stalled readers", took)
		}
	})
}

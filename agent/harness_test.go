package agent

import (
	"bytes"
	"context"
	"encoding/pem"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// server starts an API server: HTTP/2 and HTTP/1.1 over TLS, or HTTP/1.1 only.
func server(t testing.TB, h2 bool, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = h2
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	s.StartTLS()
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s
}

// configFor returns a configuration that trusts s.
func configFor(s *httptest.Server) *rest.Config {
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	return &rest.Config{Host: s.URL, TLSClientConfig: rest.TLSClientConfig{CAData: ca}}
}

// pair is a bridge and an agent with the real engine between them.
type pair struct {
	bridge  *stream.Endpoint
	handler *Handler
	agent   *stream.Endpoint
	up      *Upstream
	// messages counts the DATA frames from the agent; as many as lose says are
	// lost, the next ones.
	messages, lose atomic.Int64
}

// wire hands messages to the endpoint at the other end of the link.
type wire struct {
	mu    sync.Mutex
	to    *stream.Endpoint
	from  string
	count *atomic.Int64
	lose  *atomic.Int64
}

func (w *wire) Send(_ string, msg []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t, _ := subjects.ParseType(msg); w.count != nil && t == subjects.FrameData {
		w.count.Add(1)
		if w.lose.Load() > 0 {
			w.lose.Add(-1)
			return nil
		}
	}
	w.to.Receive(w.to.Peer(w.from), bytes.Clone(msg))
	return nil
}

func (w *wire) SendOpen(to string, _ uint64, msg []byte) error { return w.Send(to, msg) }

func newPair(t testing.TB, config *rest.Config) *pair {
	t.Helper()
	up, err := NewUpstream(config, discard())
	if err != nil {
		t.Fatal(err)
	}
	p := &pair{up: up}
	p.handler = NewHandler(up, NewMetrics(prometheus.NewRegistry(), func() int { return p.agent.Streams() }), discard())
	down, back := &wire{from: "bridge"}, &wire{from: "agent", count: &p.messages, lose: &p.lose}
	p.bridge = stream.New(stream.Config{}, down)
	p.agent = stream.New(stream.Config{Handler: p.handler.Serve}, back)
	down.to, back.to = p.agent, p.bridge
	t.Cleanup(func() {
		p.bridge.Close()
		p.agent.Close()
		up.Close()
	})
	return p
}

func get(target string) *subjects.RequestHead {
	return &subjects.RequestHead{Method: "GET", Target: target, Header: http.Header{}}
}

func post(target string, length int64) *subjects.RequestHead {
	return &subjects.RequestHead{Method: "POST", Target: target, ContentLength: length, Header: http.Header{}}
}

// open sends a head with the first bytes of the body.
func (p *pair) open(t testing.TB, head *subjects.RequestHead, body []byte, fin bool) *stream.Stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // no test may hang
	t.Cleanup(cancel)
	b, err := subjects.AppendRequestHead(nil, head)
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.bridge.Open(ctx, "agent", append(b, body...), fin)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// answerHead reads a response's head.
func answerHead(s *stream.Stream) (*subjects.ResponseHead, error) {
	prefix := make([]byte, subjects.HeadPrefixLen)
	if _, err := io.ReadFull(s, prefix); err != nil {
		return nil, err
	}
	n, err := subjects.HeadLen(prefix)
	if err != nil {
		return nil, err
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(s, b); err != nil {
		return nil, err
	}
	head := new(subjects.ResponseHead)
	return head, head.Parse(b)
}

func mustHead(t testing.TB, s *stream.Stream) *subjects.ResponseHead {
	t.Helper()
	head, err := answerHead(s)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	return head
}

// do makes a whole exchange.
func (p *pair) do(t testing.TB, head *subjects.RequestHead, body []byte) (*subjects.ResponseHead, []byte) {
	t.Helper()
	s := p.open(t, head, body, true)
	defer s.Close()
	h := mustHead(t, s)
	b, err := io.ReadAll(s)
	if err != nil {
		t.Fatalf("read answer: %v", err)
	}
	return h, b
}

// wantReset reads until the stream's end and checks the code that ends it.
func wantReset(t testing.TB, s *stream.Stream, want subjects.Code) {
	t.Helper()
	_, err := io.Copy(io.Discard, s)
	if got := subjects.CodeOf(err); got != want {
		t.Errorf("stream ended with %v, want code %v", err, want)
	}
}

func within(t testing.TB, d time.Duration, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(d):
		t.Errorf("%s: not within %s", what, d)
	}
}

// rawServer accepts connections and hands each to serve, which owns it.
func rawServer(t testing.TB, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var accepting, serving sync.WaitGroup
	var conns []net.Conn
	accepting.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns = append(conns, c)
			serving.Go(func() { serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		accepting.Wait()
		for _, c := range conns {
			_ = c.Close()
		}
		serving.Wait()
	})
	return "http://" + l.Addr().String()
}

package serve

import (
	"bytes"
	"context"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/agent/upstream"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// pair is a bridge and an agent with the real engine between them.
type pair struct {
	bridge  *stream.Endpoint
	handler *Handler
	agent   *stream.Endpoint
	up      *upstream.Client
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
	w.to.Receive(w.to.AddPeer(w.from), bytes.Clone(msg))
	return nil
}

func (w *wire) SendOpen(to string, _ uint64, msg []byte) error { return w.Send(to, msg) }

func newPair(t testing.TB, config *rest.Config) *pair {
	t.Helper()
	up, err := upstream.New(config, agenttest.Discard())
	if err != nil {
		t.Fatal(err)
	}
	p := &pair{up: up}
	p.handler = NewHandler(up, nil, NewMetrics(prometheus.NewRegistry()), agenttest.Discard(), nil)
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

// do makes a whole exchange.
func (p *pair) do(t testing.TB, head *subjects.RequestHead, body []byte) (*subjects.ResponseHead, []byte) {
	t.Helper()
	s := p.open(t, head, body, true)
	defer s.Close()
	h := agenttest.MustHead(t, s)
	b, err := io.ReadAll(s)
	if err != nil {
		t.Fatalf("read answer: %v", err)
	}
	return h, b
}

package natslink

import (
	"io"
	"maps"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
	"github.com/fairlead-io/fairlead/test/harness/freeport"
	"github.com/fairlead-io/fairlead/test/harness/natsrun"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// startServer runs a real server on a free port, or on the one given.
func startServer(t testing.TB, port int) *server.Server {
	t.Helper()
	if port == 0 {
		port = freeport.For(t)
	}
	return natsrun.Start(t, &server.Options{Host: "127.0.0.1", Port: port, NoSigs: true, NoLog: true, MaxPayload: 8 << 20})
}

func stopServer(s *server.Server) { natsrun.Stop(s) }

// options are those of a connection without credentials: permissions are tested
// with the broker.
func options(urls ...string) ConnectOptions {
	return ConnectOptions{
		Servers: urls, UserJWT: func() (string, error) { return "", nil },
		SignNonce: func([]byte) ([]byte, error) { return nil, nil },
	}
}

// plain dials without TLS, and tells nats.go so: frames go by the lane, as in agents and
// bridges.
type plain struct{ net.Dialer }

func (plain) SkipTLSHandshake() bool { return true }

// laneOptions are options of a connection with a lane.
func laneOptions(urls ...string) ConnectOptions {
	o := options(urls...)
	o.Dialer = &plain{net.Dialer{Timeout: dialTimeout}}
	return o
}

// dial connects until the test ends.
func dial(t testing.TB, urls ...string) *nats.Conn {
	t.Helper()
	return connect(t, laneOptions(urls...))
}

func connect(t testing.TB, o ConnectOptions) *nats.Conn {
	t.Helper()
	nc, err := Connect(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

type presences struct {
	mu   sync.Mutex
	seen []subjects.Presence
	news chan struct{}
}

func (p *presences) add(_, _ string, q *subjects.Presence) {
	p.mu.Lock()
	p.seen = append(p.seen, *q)
	p.mu.Unlock()
	select {
	case p.news <- struct{}{}:
	default:
	}
}

// wait blocks until a presence satisfies ok, for at most 15 s.
func (p *presences) wait(t testing.TB, ok func(subjects.Presence) bool) {
	t.Helper()
	deadline := time.After(15 * time.Second)
	for {
		p.mu.Lock()
		for _, q := range p.seen {
			if ok(q) {
				p.mu.Unlock()
				return
			}
		}
		p.mu.Unlock()
		select {
		case <-p.news:
		case <-deadline:
			t.Fatalf("no such presence within 15 s; seen %+v", p.seen)
		}
	}
}

func start(t testing.TB, url string, handler func(*stream.Stream)) (*Bridge, *Agent, *presences) {
	t.Helper()
	seen := &presences{news: make(chan struct{}, 1)}
	b, err := NewBridge(dial(t, url), BridgeConfig{ID: "b1", OnPresence: seen.add})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	if err := b.nc.Flush(); err != nil { // subscribed before the agent announces itself
		t.Fatal(err)
	}
	a, err := NewAgent(dial(t, url), agentConfig(handler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	seen.wait(t, func(p subjects.Presence) bool { return p.State == subjects.PresenceUp })
	return b, a, seen
}

func agentConfig(handler func(*stream.Stream)) AgentConfig {
	return AgentConfig{
		Cluster: "prod", Instance: "a1", Stream: stream.Config{Handler: handler},
		Presence: func() subjects.Presence { return subjects.Presence{Version: "test", Reachable: true} },
	}
}

// startAgent starts instance a1 of cluster prod and returns when the broker has
// taken its subscriptions.
func startAgent(t testing.TB, url string, handler func(*stream.Stream)) *Agent {
	t.Helper()
	a, err := NewAgent(dial(t, url), agentConfig(handler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	eventually.True(t, "the agent is subscribed", func() bool { return a.nc.Load().IsConnected() && a.nc.Load().Flush() == nil })
	return a
}

func echo(s *stream.Stream) {
	if _, err := s.ReadFrom(struct{ io.Reader }{s}); err == nil {
		_ = s.CloseWrite()
	}
}

// once connects as an agent does that renews its connections itself.
func once(t testing.TB, url string) *nats.Conn {
	t.Helper()
	nc, err := ConnectOnce(t.Context(), laneOptions(url))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// all returns a copy.
func (s *senders[S]) all() map[string]S {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return maps.Clone(s.m)
}

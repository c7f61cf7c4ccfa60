package agent

import (
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/transport"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// gate passes connections on to an address until it is shut.
type gate struct {
	address string // its own
	to      string

	mu    sync.Mutex // guards the rest
	shut  bool
	conns []net.Conn
}

func newGate(t *testing.T, to string) *gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{address: l.Addr().String(), to: to}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", g.to)
			if err != nil || !g.keep(in, out) {
				_ = in.Close()
				continue
			}
			wg.Go(func() { _, _ = io.Copy(out, in); _ = out.Close() })
			wg.Go(func() { _, _ = io.Copy(in, out); _ = in.Close() })
		}
	})
	t.Cleanup(func() { _ = l.Close(); g.set(true); wg.Wait() })
	return g
}

func (g *gate) keep(conns ...net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.conns = append(g.conns, conns...)
	if g.shut {
		g.cut()
	}
	return !g.shut
}

// set shuts or opens the gate.
func (g *gate) set(shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut = shut; shut {
		g.cut()
	}
}

func (g *gate) cut() {
	for _, c := range g.conns {
		_ = c.Close()
	}
	g.conns = nil
}

// TestFailOverBetweenTransports: of a tls:// and a wss:// server, the agent uses the one
// that can be reached, and serves by both.
func TestFailOverBetweenTransports(t *testing.T) {
	b := agenttest.NewBroker(t)
	b.WithWebSocket(true)
	nats := newGate(t, strings.TrimPrefix(b.URL(), "tls://"))
	ws := newGate(t, strings.TrimPrefix(b.Server.WebsocketURL(), "wss://"))
	creds, _ := b.Creds(b.Agents, "prod", time.Time{})
	bridge, seen := b.Bridge()
	a, _, _ := runAgent(t, Config{
		Servers: []string{"tls://" + nats.address, "wss://" + ws.address}, CredsFile: creds,
		Transport: transport.Config{CAFile: b.CAFile}, LoadKube: loads(agenttest.ConfigFor(agenttest.Kube(t, func(http.ResponseWriter, *http.Request) {}))),
	})
	// An instance whose first connection is cut before it is in service is another one later.
	eventually.True(t, "the first connection to be in service", func() bool {
		_, ok := brokerCheck(t, a)
		return ok && seen.Find(agenttest.IsUp) != ""
	})
	for range 2 {
		for want, closed := range map[string]*gate{"wss://" + ws.address: nats, "tls://" + nats.address: ws} {
			nats.set(closed == nats)
			ws.set(closed == ws)
			eventually.True(t, "connected to "+want, func() bool {
				text, ok := brokerCheck(t, a)
				return ok && strings.Contains(text, "connected to "+want)
			})
			if status, err := agenttest.Call(t, bridge, seen.Find(agenttest.IsUp), agenttest.Get("/api")); status != 200 || err != nil {
				t.Errorf("%s: %d, %v", want, status, err)
			}
		}
	}
}

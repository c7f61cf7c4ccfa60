package broker

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/broker/keys"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// world is an installation with a victim (cluster "victim" of tenant acme and
// a bridge) and, on the same nodes, everybody who may wish it ill.
type world struct {
	l             *keys.Layout
	nodes         []*Broker
	agent, bridge *ear
}

// ear is a connection that notes what it hears and what it is refused.
type ear struct {
	*nats.Conn
	mu       sync.Mutex
	heard    []*nats.Msg
	refusals []string
}

func (e *ear) note(m *nats.Msg) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heard = append(e.heard, m)
}

func (e *ear) take() []*nats.Msg {
	e.mu.Lock()
	defer e.mu.Unlock()
	heard := e.heard
	e.heard = nil
	return heard
}

func (e *ear) refused() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.refusals)
}

func (w *world) listen(t *testing.T, node *Broker, creds []byte) (*ear, error) {
	t.Helper()
	e := &ear{}
	nc, err := connect(t, w.l, node.ClientURL(), creds, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.refusals = append(e.refusals, err.Error())
	}))
	e.Conn = nc
	return e, err
}

func (w *world) mustListen(t *testing.T, node *Broker, creds []byte, patterns ...string) *ear {
	t.Helper()
	e, err := w.listen(t, node, creds)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range patterns {
		if _, err := e.Subscribe(p, e.note); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	return e
}

// newWorld has no guard: it tests what the templates prevent by themselves.
func newWorld(t *testing.T, nodes int) *world {
	t.Helper()
	l := newLayout(t)
	if _, err := l.AddTenant("globex"); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(l.GuardCredsFile()); err != nil {
		t.Fatal(err)
	}
	w := &world{l: l}
	if nodes == 1 {
		w.nodes = []*Broker{startNode(t, l, nil)}
	} else {
		w.nodes = startCluster(t, l, nodes)
	}
	w.agent = w.mustListen(t, w.nodes[nodes-1], agentCreds(t, l, "acme", victim),
		subjects.AgentFrames(victim, victimInstance), subjects.AgentQueries(victim))
	w.bridge = w.mustListen(t, w.nodes[0], bridgeCreds(t, l, "acme", victimBridge),
		subjects.BridgeFrames(victimBridge), subjects.BridgePresence())
	w.meet(t)
	return w
}

// exchange lets bridge and agent send each other one message of each form, and
// checks that they have heard these and nothing else since the last time.
// Messages of an attacker on the same node were sent before; those through another
// node get the time of two exchanges.
func (w *world) exchange(t *testing.T) {
	t.Helper()
	for range 2 {
		w.send(t)
		w.await(t, w.agent, "down", tree[:2])
		w.await(t, w.bridge, "up", tree[2:4])
	}
}

// meet is the first exchange, which the nodes may not yet know the way for.
func (w *world) meet(t *testing.T) {
	t.Helper()
	heard := map[string]bool{}
	eventually.Nil(t, "bridge and agent to hear each other", func() error {
		w.send(t)
		for _, m := range slices.Concat(w.agent.take(), w.bridge.take()) {
			heard[m.Subject] = true
		}
		if len(heard) < 4 {
			return fmt.Errorf("heard %v", heard)
		}
		return nil
	})
}

func (w *world) send(t *testing.T) {
	t.Helper()
	for _, s := range tree[:2] {
		w.publish(t, w.bridge, s, "down")
	}
	for _, s := range tree[2:4] {
		w.publish(t, w.agent, s, "up")
	}
}

func (w *world) publish(t *testing.T, from *ear, subject, body string) {
	t.Helper()
	if err := from.Publish(subject, []byte(body)); err != nil {
		t.Fatal(err)
	}
	if err := from.Flush(); err != nil {
		t.Fatal(err)
	}
}

func (w *world) await(t *testing.T, e *ear, body string, want []string) {
	t.Helper()
	var got []string
	eventually.Nil(t, "the victim's own messages", func() error {
		for _, m := range e.take() {
			if string(m.Data) != body {
				t.Errorf("the victim heard %q on %s", m.Data, m.Subject)
				continue
			}
			got = append(got, m.Subject)
		}
		for _, s := range want {
			if !slices.Contains(got, s) {
				return fmt.Errorf("missing %s of %v", s, got)
			}
		}
		return nil
	})
}

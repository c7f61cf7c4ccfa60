package broker

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/broker/keys"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// wildcards are subscriptions that would hear the victim.
var wildcards = []string{
	">", "*.>", "*.*.*.*", "down.>", "down.*.>", "down.*.*.*", "down." + victim + ".>", "down." + victim + ".*.*",
	"up.>", "up.*.>", "up.*.*.*", "up.*." + victim + ".>", "up.*." + victim + ".*",
	"up._.>", "up._.*.*", "up." + victimBridge + ".>", "up.*._.>", "up.*._.*.*.*",
	"_INBOX.>", "$SYS.>", "$SYS.ACCOUNT.>", "$JS.>", "$JS.API.>", "$JSC.>", "$NRG.>", "$G.>",
}

// control are subjects by which servers are asked or told something.
var control = append(slices.Clone(foreign),
	claimsUpdate, "$SYS.REQ.SERVER.PING.CONNZ", "$SYS.REQ.USER.INFO", "$SYS.REQ.ACCOUNT.PING.CONNZ",
	"$JS.API.INFO", "$JS.API.CONSUMER.DURABLE.CREATE.x.y", "$JS.ACK.x", "$KV.x.y", "$MQTT.sub.x",
)

// attack tries everything that a connection can be used for against the victim
// and returns how many attempts there were.
func (w *world) attack(t *testing.T, e *ear, own string) (attempts int) {
	t.Helper()
	for _, s := range slices.Concat(wildcards, tree) {
		for _, queue := range []string{"", "q", victim} {
			if _, err := e.QueueSubscribe(s, queue, e.note); err != nil && !errors.Is(err, nats.ErrBadSubject) {
				t.Fatalf("subscribe %s: %v", s, err)
			}
			attempts++
		}
	}
	targets := slices.Concat(tree, control, []string{"down." + victim + ".>", "down.*.*.*", "up.>", ">"})
	for _, s := range targets {
		if err := e.Publish(s, []byte("attack")); err != nil && !errors.Is(err, nats.ErrBadSubject) {
			t.Fatalf("publish %s: %v", s, err)
		}
		attempts++
	}
	if own != "" {
		// From a subject that it may publish to: by reply subject, and by
		// having the server trace the message to the victim.
		for _, s := range tree {
			m := nats.NewMsg(own)
			m.Reply = s
			m.Data = []byte("attack")
			if err := e.PublishMsg(m); err != nil {
				t.Fatal(err)
			}
			m = nats.NewMsg(own)
			m.Data = []byte("attack")
			m.Header.Set("Nats-Trace-Dest", s)
			if err := e.PublishMsg(m); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := e.Flush(); err != nil {
		t.Fatalf("flush: %v", err)
	}
	return attempts
}

// heardNothing allows what NATS tells an attacker about its own messages in its
// own account: that they have no receiver.
func heardNothing(t *testing.T, e *ear) {
	t.Helper()
	for _, m := range e.take() {
		if len(m.Data) > 0 || m.Header.Get("Status") != "503" {
			t.Errorf("heard %q on %s", m.Data, m.Subject)
		}
	}
}

func TestIsolation(t *testing.T) {
	for _, nodes := range []int{1, 3} {
		t.Run(fmt.Sprintf("%d nodes", nodes), func(t *testing.T) {
			w := newWorld(t, nodes)
			for i, node := range w.nodes {
				t.Run(fmt.Sprintf("from node %d", i), func(t *testing.T) { w.attackFrom(t, node) })
			}
		})
	}
}

func (w *world) attackFrom(t *testing.T, node *Broker) {
	t.Run("an agent of another cluster", func(t *testing.T) {
		e := w.mustListen(t, node, agentCreds(t, w.l, "acme", bystander))
		attempts := w.attack(t, e, subjects.Up("b9", bystander, "a9"))
		w.exchange(t)
		heardNothing(t, e)
		// Every attempt was refused; none was only not received. The traced
		// messages, whose destination is refused too, are additional.
		eventually.Nil(t, "a refusal for each attempt", func() error {
			if got := len(e.refused()); got < attempts {
				return fmt.Errorf("%d refusals for %d attempts", got, attempts)
			}
			return nil
		})
	})
	t.Run("an agent of a cluster with the same name in another tenant", func(t *testing.T) {
		e := w.mustListen(t, node, agentCreds(t, w.l, "globex", victim))
		w.attack(t, e, subjects.Up(victimBridge, victim, victimInstance))
		w.exchange(t)
		heardNothing(t, e)
	})
	t.Run("a bridge of another tenant", func(t *testing.T) {
		e := w.mustListen(t, node, bridgeCreds(t, w.l, "globex", victimBridge))
		w.attack(t, e, subjects.Down(bystander, "a9", victimBridge))
		w.exchange(t)
		heardNothing(t, e)
	})
	t.Run("agents with hostile names in the same tenant", func(t *testing.T) {
		for _, name := range hostile {
			t.Run(fmt.Sprintf("%q", name), func(t *testing.T) {
				e, err := w.listen(t, node, credsNamed(t, w.l, "acme", name))
				if err != nil {
					t.Logf("cannot connect: %v", err)
					return
				}
				w.attack(t, e, "")
				w.exchange(t)
				heardNothing(t, e)
			})
		}
	})
}

// TestBridgePart: a bridge can do what a bridge does and nothing else.
func TestBridgePart(t *testing.T) {
	w := newWorld(t, 1)
	e := w.mustListen(t, w.nodes[0], bridgeCreds(t, w.l, "acme", "b2"))
	refused := func(what, subject string) {
		t.Helper()
		want := fmt.Sprintf("%s to %q", what, subject)
		eventually.Nil(t, "a refusal of "+want, func() error {
			if got := e.refused(); !strings.Contains(strings.Join(got, "\n"), want) {
				return fmt.Errorf("refusals: %v", got)
			}
			return nil
		})
	}
	for _, s := range []string{
		"up." + victimBridge + ".>", "up.>", "up.*.*.*", "down.>", "down." + victim + ".*.*", "_INBOX.>", "$SYS.>", ">",
	} {
		if _, err := e.Subscribe(s, e.note); err != nil {
			t.Fatal(err)
		}
		refused("Subscription", s)
	}
	for _, s := range slices.Concat(tree, []string{"$SYS.REQ.SERVER.PING", claimsUpdate, "$JS.API.INFO", "_INBOX.x"}) {
		if err := e.Publish(s, []byte("attack")); err != nil {
			t.Fatal(err)
		}
		refused("Publish", s)
	}
	w.exchange(t)
	heardNothing(t, e)
	// Its own part works, no-responders included.
	own := w.mustListen(t, w.nodes[0], bridgeCreds(t, w.l, "acme", "b3"), subjects.BridgeFrames("b3"), subjects.BridgePresence())
	reply := subjects.NoResponders("b3", "nobody", "a1", 7)
	if err := own.PublishRequest(subjects.Down("nobody", "a1", "b3"), reply, []byte("open")); err != nil {
		t.Fatal(err)
	}
	eventually.Nil(t, "NATS to say that nobody is there", func() error {
		for _, m := range own.take() {
			if m.Subject == reply && m.Header.Get("Status") == "503" {
				return nil
			}
		}
		return errors.New("not yet")
	})
}

// TestAgentIsToldOfAbsentBridges: NATS tells an agent that a bridge is not there, with
// the permissions that it has.
func TestAgentIsToldOfAbsentBridges(t *testing.T) {
	w := newWorld(t, 3)
	own := w.mustListen(t, w.nodes[1], agentCreds(t, w.l, "acme", bystander), subjects.AgentFrames(bystander, "a1"))
	ask := func(bridge string) string {
		t.Helper()
		up := subjects.Up(bridge, bystander, "a1")
		reply := subjects.NoBridge(up)
		if err := own.PublishRequest(up, reply, []byte("ping")); err != nil {
			t.Fatal(err)
		}
		return reply
	}
	eventually.Nil(t, "the agent's node to know of the bridge", func() error {
		w.publish(t, own, subjects.Up(victimBridge, bystander, "a1"), "ping")
		if len(w.bridge.take()) == 0 {
			return errors.New("not yet")
		}
		return nil
	})
	there, absent := ask(victimBridge), ask("b9") // answers come in order
	eventually.Nil(t, "NATS to say that nobody is there", func() error {
		for _, m := range own.take() {
			if m.Subject == there {
				t.Errorf("NATS says of a bridge on another node that it is absent")
			}
			if m.Subject == absent && m.Header.Get("Status") == "503" {
				return nil
			}
		}
		return errors.New("not yet")
	})
	if got := own.refused(); len(got) > 0 {
		t.Errorf("refusals: %v", got)
	}
}

// TestDeputy: an agent that answers to whatever reply subject a message names
// cannot be brought to answer into another cluster.
func TestDeputy(t *testing.T) {
	w := newWorld(t, 1)
	deputy := w.mustListen(t, w.nodes[0], agentCreds(t, w.l, "acme", bystander))
	if _, err := deputy.Subscribe(subjects.AgentFrames(bystander, "a2"), func(m *nats.Msg) {
		_ = m.Respond([]byte("attack"))
	}); err != nil {
		t.Fatal(err)
	}
	if err := deputy.Flush(); err != nil {
		t.Fatal(err)
	}
	for _, s := range tree {
		if err := w.bridge.PublishRequest(subjects.Down(bystander, "a2", victimBridge), s, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	eventually.Nil(t, "each answer to be refused", func() error {
		if got := deputy.refused(); len(got) != len(tree) {
			return fmt.Errorf("%d refusals: %v", len(got), got)
		}
		return nil
	})
	w.exchange(t)
}

func TestAgentSubscriptionLimit(t *testing.T) {
	w := newWorld(t, 1)
	e := w.mustListen(t, w.nodes[0], agentCreds(t, w.l, "acme", bystander))
	for i := range keys.MaxAgentSubs + 1 {
		if _, err := e.Subscribe(subjects.AgentFrames(bystander, fmt.Sprintf("a%d", i)), e.note); err != nil {
			break // nats.go has been told by then
		}
	}
	eventually.Nil(t, "the server to refuse one subscription too many", func() error {
		got := e.refused()
		if len(got) == 0 || !strings.Contains(strings.ToLower(got[0]), "maximum subscriptions") {
			return fmt.Errorf("refusals: %v, last error: %v", got, e.LastError())
		}
		return nil
	})
}

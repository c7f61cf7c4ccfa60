package broker

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/broker/internal/brokertest"
	"github.com/fairlead-io/fairlead/broker/keys"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
	"github.com/fairlead-io/fairlead/test/harness/freeport"
)

// storeUser connects as a bridge does that uses the shared store.
func storeUser(t *testing.T, l *keys.Layout, b *Broker, bridge string, opts ...nats.Option) *nats.Conn {
	t.Helper()
	opts = append([]nats.Option{nats.CustomInboxPrefix(subjects.StoreInbox(bridge))}, opts...)
	return mustConnect(t, l, b.ClientURL(), brokertest.StoreCreds(t, l, bridge), opts...)
}

// audit is the stream that bridges make for audit events.
func audit(replicas int) *nats.StreamConfig {
	return &nats.StreamConfig{
		Name: subjects.StoreAudit, Subjects: []string{"fairlead.audit.>"},
		Storage: nats.FileStorage, Replicas: replicas, MaxBytes: 16 << 20, DenyDelete: true, DenyPurge: true,
	}
}

func makeAudit(t *testing.T, nc *nats.Conn, replicas int) nats.JetStreamContext {
	t.Helper()
	js, err := nc.JetStream(nats.MaxWait(patience))
	if err != nil {
		t.Fatal(err)
	}
	eventually.Nil(t, "a stream", func() error {
		_, err := js.AddStream(audit(replicas))
		return err
	})
	return js
}

// TestStoreOfOneNode: a node keeps what it acknowledged over a restart.
func TestStoreOfOneNode(t *testing.T) {
	l := newLayout(t)
	dir := filepath.Join(t.TempDir(), "store")
	on := func(c *Config) { c.StoreDir = dir }
	b := startNode(t, l, on)
	js := makeAudit(t, storeUser(t, l, b, "b1"), 1)
	for range 10 {
		if _, err := js.Publish(subjects.StoreAuditSubject, []byte("event")); err != nil {
			t.Fatal(err)
		}
	}
	status, err := b.StoreStatus()
	if err != nil || !strings.HasPrefix(status, "store has 1 stream, ") {
		t.Errorf("status %q, %v", status, err)
	}
	b.Shutdown()

	b = startNode(t, l, on)
	js, err = storeUser(t, l, b, "b2").JetStream()
	if err != nil {
		t.Fatal(err)
	}
	info, err := js.StreamInfo(subjects.StoreAudit)
	if err != nil || info.State.Msgs != 10 {
		t.Errorf("after a restart: %+v, %v; want 10 events", info, err)
	}
}

// storeCluster starts three nodes that each keep a part of the store. The first names
// itself among its routes, as each node of a StatefulSet does.
func storeCluster(t *testing.T, l *keys.Layout) []*Broker {
	t.Helper()
	nodes, _ := storeClusterOf(t, l)
	return nodes
}

// storeClusterOf also returns the configurations, with which a node can come back.
func storeClusterOf(t *testing.T, l *keys.Layout) (nodes []*Broker, configs []Config) {
	t.Helper()
	first := freeport.AddressFor(t)
	nodes = startClusterWith(t, l, 3, func(c *Config) {
		c.StoreDir = filepath.Join(t.TempDir(), c.Name)
		if len(c.Routes) == 0 {
			c.RoutesListen, c.Routes = first, []string{"tls://" + first}
		}
		configs = append(configs, *c)
	})
	eventually.Nil(t, "a leader", func() error {
		for _, b := range nodes {
			if _, err := b.StoreStatus(); err != nil {
				return err
			}
		}
		return nil
	})
	return nodes, configs
}

// TestStoreLosesANode kills one of three nodes while a bridge writes: each event that
// was acknowledged is there afterwards. Then a second, and what is left says why it is
// of no use, and goes on serving agents.
func TestStoreLosesANode(t *testing.T) {
	l := newLayout(t)
	nodes, configs := storeClusterOf(t, l)
	js := makeAudit(t, storeUser(t, l, nodes[2], "b1"), 3)
	acknowledged := uint64(0)
	write := func() {
		for range 50 {
			if _, err := js.Publish(subjects.StoreAuditSubject, []byte("event"), nats.AckWait(time.Second)); err == nil {
				acknowledged++
			}
		}
	}
	write()
	eventually.Nil(t, "every node to be ready with its store", func() error {
		for _, b := range nodes {
			if err := b.Ready(); err != nil {
				return err
			}
			if got := gather(t, b); got["fairlead_broker_store_up"] != 1 || got["fairlead_broker_store_bytes"] <= 0 || got["fairlead_broker_store_copies_behind"] != 0 {
				return fmt.Errorf("%s: %v", b.Name(), got)
			}
		}
		return nil
	})
	nodes[0].Shutdown()
	eventually.Nil(t, "writes after the loss of a node", func() error {
		before := acknowledged
		if write(); acknowledged == before {
			return errors.New("none acknowledged")
		}
		return nil
	})
	eventually.Nil(t, "every acknowledged event", func() error {
		info, err := js.StreamInfo(subjects.StoreAudit)
		if err != nil {
			return err
		}
		if info.State.Msgs < acknowledged {
			return fmt.Errorf("%d of %d", info.State.Msgs, acknowledged)
		}
		return nil
	})

	// The node is back, with its disk and its name, and catches up.
	nodes[0] = startNode(t, l, func(c *Config) { *c = configs[0] })
	eventually.Nil(t, "the node that is back to be ready and whole", func() error {
		if err := nodes[0].Ready(); err != nil {
			return err
		}
		for _, b := range nodes {
			if _, err := b.StoreStatus(); err != nil || gather(t, b)["fairlead_broker_store_copies_behind"] != 0 {
				return fmt.Errorf("%s: %v", b.Name(), err)
			}
		}
		return nil
	})
	nodes[0].Shutdown()
	nodes[1].Shutdown()
	eventually.Nil(t, "the lost quorum to be told", func() error {
		if status, err := nodes[2].StoreStatus(); err == nil {
			return errors.New(status)
		}
		return nil
	})
	if _, err := js.Publish(subjects.StoreAuditSubject, []byte("event"), nats.AckWait(time.Second)); err == nil {
		t.Error("an event is acknowledged by one node of three")
	}
	eventually.Nil(t, "a stream without a leader in the metrics", func() error {
		got := gather(t, nodes[2])
		if got["fairlead_broker_store_up"] != 0 || got["fairlead_broker_store_streams"] != 1 || got["fairlead_broker_store_streams_without_leader"] != 1 {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
	if err := nodes[2].Ready(); err != nil {
		t.Errorf("the node that is left takes no agents: %v", err)
	}
}

// TestStoreIsReadyForItsFirstUser: nodes that say that they are ready have JetStream for
// the platform's account. Its first users, who all come at once, are not told that it has
// none (error 10039), whichever node they ask.
func TestStoreIsReadyForItsFirstUser(t *testing.T) {
	l := newLayout(t)
	nodes, _ := storeClusterOf(t, l)
	eventually.Nil(t, "every node to be ready", func() error {
		for _, b := range nodes {
			if err := b.Ready(); err != nil {
				return err
			}
		}
		return nil
	})
	for _, b := range nodes {
		if info, err := b.server.Jsz(&server.JSzOptions{Accounts: true}); err != nil || len(info.AccountDetails) != 1 {
			t.Errorf("%s has JetStream for %d accounts before anybody asks, %v; want that of the platform", b.Name(), len(info.AccountDetails), err)
		}
	}
	var users sync.WaitGroup
	defer users.Wait()
	for i := range 4 * len(nodes) {
		nc := storeUser(t, l, nodes[i%len(nodes)], fmt.Sprintf("b%d", i))
		js, err := nc.JetStream(nats.MaxWait(5 * time.Second))
		if err != nil {
			t.Fatal(err)
		}
		users.Go(func() {
			deadline := time.Now().Add(eventually.Bound)
			for {
				_, err := js.StreamInfo(subjects.StoreAudit)
				if errors.Is(err, nats.ErrStreamNotFound) {
					return
				}
				// Another election, on a busy machine, is no fault.
				if errors.Is(err, nats.ErrJetStreamNotEnabledForAccount) || time.Now().After(deadline) {
					t.Errorf("user %d: %v, want that there is no such stream", i, err)
					return
				}
			}
		})
	}
}

// TestStoreOfANodeThatJoins: a cluster would remove the streams of a node that was by
// itself, so the node does not start, and its streams stay.
func TestStoreOfANodeThatJoins(t *testing.T) {
	l := newLayout(t)
	alone := func(c *Config) { c.StoreDir = l.StoreDir() }
	b := startNode(t, l, alone)
	js := makeAudit(t, storeUser(t, l, b, "b1"), 1)
	if _, err := js.Publish(subjects.StoreAuditSubject, []byte("event")); err != nil {
		t.Fatal(err)
	}
	b.Shutdown()
	routes := freeport.AddressFor(t)
	_, err := Start(Config{
		Dir: l.Dir(), Listen: "127.0.0.1:0", WebsocketListen: Off, RoutesListen: routes, Routes: []string{"tls://" + routes},
		StoreDir: l.StoreDir(), Logger: testLog(t),
	})
	if bad, ok := errors.AsType[*ConfigError](err); !ok || !strings.Contains(bad.Error(), "a cluster would remove its streams") {
		t.Fatalf("a broker with routes: %v", err)
	}
	js, err = storeUser(t, l, startNode(t, l, alone), "b2").JetStream()
	if err != nil {
		t.Fatal(err)
	}
	if info, err := js.StreamInfo(subjects.StoreAudit); err != nil || info.State.Msgs != 1 {
		t.Errorf("%+v, %v; want the event", info, err)
	}
}

// TestStoreNeedsRoutes: JetStream of a node that others join needs to know them.
func TestStoreNeedsRoutes(t *testing.T) {
	c := Config{Dir: t.TempDir(), StoreDir: t.TempDir(), RoutesListen: "127.0.0.1:0"}
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "store-dir: a node that other nodes connect to needs routes") {
		t.Errorf("%v", err)
	}
	c = Config{Dir: t.TempDir(), StoreMax: 1 << 20}
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "store-max: 1048576 bytes are less than") {
		t.Errorf("%v", err)
	}
}

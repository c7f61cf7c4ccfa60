package broker

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/broker/keys"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
	"github.com/fairlead-io/fairlead/test/harness/freeport"
)

// startRegions starts three nodes: two in west, which have the store where it is wanted,
// and one in east. It waits until all are connected.
func startRegions(t *testing.T, l *keys.Layout, store bool) (west []*Broker, east *Broker) {
	t.Helper()
	all := make([]string, 3) // of gateways
	for i := range all {
		all[i] = freeport.AddressFor(t)
	}
	gateways := []string{"west=tls://" + all[0], "west=tls://" + all[1], "east=tls://" + all[2]}
	routes := []string{"tls://" + freeport.AddressFor(t), "tls://" + freeport.AddressFor(t)}
	nodes := make([]*Broker, 3)
	for i := range nodes {
		nodes[i] = startNode(t, l, func(c *Config) {
			c.Name, c.ResolverDir = fmt.Sprintf("node-%d", i), filepath.Join(t.TempDir(), "jwt")
			c.ClusterName, c.Gateways, c.GatewaysListen = "east", gateways, all[i]
			if i < 2 {
				c.ClusterName, c.Routes, c.RoutesListen = "west", routes, strings.TrimPrefix(routes[i], "tls://")
				if store {
					c.StoreDir = filepath.Join(t.TempDir(), "store")
				}
			}
		})
	}
	eventually.Nil(t, "every node to be connected to the other region", func() error {
		for _, b := range nodes {
			if _, missing := b.Regions(); len(missing) > 0 {
				return fmt.Errorf("%s is not connected to %v", b.Name(), missing)
			}
		}
		// The way back: each node has made a connection of its own to one of the other region.
		in := 0
		for _, b := range nodes {
			info, err := b.server.Gatewayz(nil)
			if err != nil {
				return err
			}
			for _, from := range info.InboundGateways {
				in += len(from)
			}
		}
		if in != 3 {
			return fmt.Errorf("%d connections came in", in)
		}
		if nodes[0].Peers() != 1 || nodes[1].Peers() != 1 || nodes[2].Peers() != 0 {
			return errors.New("routes are missing, or cross regions")
		}
		return nil
	})
	return nodes[:2], nodes[2]
}

// TestRegions: a bridge reaches agents of another region, and the other way round. A
// cluster without an agent is known as absent at once, from the first question on, and
// so is one whose agent has gone: gateways send nothing where nobody listens.
func TestRegions(t *testing.T) {
	l := newLayout(t)
	west, east := startRegions(t, l, false)
	for _, far := range west {
		for _, at := range []struct{ agent, bridge *Broker }{{far, east}, {east, far}} {
			name := fmt.Sprintf("bridge at %s, agent at %s", at.bridge.Name(), at.agent.Name())
			agent := mustConnect(t, l, at.agent.ClientURL(), agentCreds(t, l, "acme", "prod"))
			bridge := mustConnect(t, l, at.bridge.ClientURL(), bridgeCreds(t, l, "acme", "b1"))
			if gone, took := absent(t, bridge, "none"); !gone {
				t.Errorf("%s: a cluster without an agent is not called absent within %s", name, took)
			}
			meet(t, bridge, agent)
			if _, err := agent.SubscribeSync(subjects.AgentQueries("prod")); err != nil {
				t.Fatal(err)
			}
			eventually.Nil(t, "the agent to be asked", func() error {
				if gone, _ := absent(t, bridge, "prod"); gone {
					return errors.New("it is absent")
				}
				return nil
			})
			agent.Close()
			began := time.Now()
			eventually.Nil(t, "the agent to be absent", func() error {
				if gone, _ := absent(t, bridge, "prod"); !gone {
					return errors.New("it is not")
				}
				return nil
			})
			t.Logf("%s: known to have gone after %s", name, time.Since(began))
			bridge.Close()
		}
	}
}

// meet waits until bridge b1 and an instance of cluster prod hear each other: the other
// region learns of a subscription a moment after it was made.
func meet(t *testing.T, bridge, agent *nats.Conn) {
	t.Helper()
	for _, way := range []struct {
		from, to         *nats.Conn
		subject, listens string
	}{
		{bridge, agent, subjects.Down("prod", "a1", "b1"), subjects.AgentFrames("prod", "a1")},
		{agent, bridge, subjects.Up("b1", "prod", "a1"), subjects.BridgeFrames("b1")},
	} {
		heard, err := way.to.SubscribeSync(way.listens)
		if err != nil {
			t.Fatal(err)
		}
		eventually.Nil(t, "a message on "+way.subject, func() error {
			if err := errors.Join(way.to.Flush(), way.from.Publish(way.subject, []byte("x"))); err != nil {
				return err
			}
			_, err := heard.NextMsg(100 * time.Millisecond)
			return err
		})
		if err := heard.Unsubscribe(); err != nil {
			t.Fatal(err)
		}
	}
}

// absent asks for the instances of a cluster, and reports whether the node answered that
// there are none, and how long that took.
func absent(t *testing.T, bridge *nats.Conn, cluster string) (bool, time.Duration) {
	t.Helper()
	answers, err := bridge.SubscribeSync(subjects.BridgeFrames("b1"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answers.Unsubscribe() }()
	began := time.Now()
	if err := bridge.PublishRequest(subjects.DownAll(cluster, "b1"), subjects.NoResponders("b1", cluster, "", 0), nil); err != nil {
		t.Fatal(err)
	}
	// The answer comes before the end of a flush, if there is one.
	if err := bridge.FlushTimeout(patience); err != nil {
		t.Fatal(err)
	}
	_, err = answers.NextMsg(time.Millisecond)
	return errors.Is(err, nats.ErrNoResponders), time.Since(began)
}

// TestRegionsShareAccounts: a tenant that is pushed to one region can be used in all at
// once, and a credential that is revoked in one is cut in the other.
func TestRegionsShareAccounts(t *testing.T) {
	l := newLayout(t)
	west, east := startRegions(t, l, false)
	accountJWT, err := l.AddTenant("globex")
	if err != nil {
		t.Fatal(err)
	}
	if nodes := push(t, l, east, accountJWT); len(nodes) != 3 {
		t.Errorf("pushed to %v, want all three nodes", nodes)
	}
	creds := agentCreds(t, l, "globex", "prod")
	agent := mustConnect(t, l, west[1].ClientURL(), creds)
	bridge := mustConnect(t, l, east.ClientURL(), bridgeCreds(t, l, "globex", "b1"))
	meet(t, bridge, agent)
	if accountJWT, err = l.RevokeUser("globex", userOf(t, creds)); err != nil {
		t.Fatal(err)
	}
	push(t, l, east, accountJWT)
	t.Logf("cut after %s", awaitCut(t, agent))
}

// TestRegionsNeedACertificate: neither a node with certificates of another CA nor a
// region that is not named joins.
func TestRegionsNeedACertificate(t *testing.T) {
	l, other := newLayout(t), newLayout(t)
	at, friends := freeport.AddressFor(t), freeport.AddressFor(t)
	node := func(name, listen string, mod func(*Config), gateways ...string) *Broker {
		return startNode(t, l, func(c *Config) {
			c.Name, c.ClusterName, c.ResolverDir = name, name, filepath.Join(t.TempDir(), "jwt")
			c.GatewaysListen, c.Gateways = listen, gateways
			if mod != nil {
				mod(c)
			}
		})
	}
	west := node("west", at, nil, "east=tls://"+friends)
	unknown := node("unknown", "127.0.0.1:0", nil, "west=tls://"+at)
	stranger := node("east", "127.0.0.1:0", func(c *Config) {
		c.TLSCert, c.TLSKey, c.TLSCA = other.ServerCertFile(), other.ServerKeyFile(), other.CAFile()
	}, "west=tls://"+at)
	east := node("east", friends, nil, "west=tls://"+at)
	eventually.Nil(t, "the friend to join", func() error {
		if got, _ := east.Regions(); !slices.Equal(got, []string{"west"}) {
			return errors.New("not yet")
		}
		if got, _ := west.Regions(); !slices.Equal(got, []string{"east"}) {
			return errors.New("west: not yet")
		}
		return nil
	})
	for _, b := range []*Broker{unknown, stranger} {
		if got, _ := b.Regions(); len(got) != 0 {
			t.Errorf("%s is connected to %v", b.Name(), got)
		}
	}
	got := gather(t, west)
	if v, ok := got["fairlead_broker_region_connected"]; !ok || v != 1 {
		t.Errorf("region_connected: %v, %v", v, ok)
	}
}

// TestStoreOfARegion: the store is kept by one region. Bridges of the other use it all the
// same, and the streams that they make are kept where the store is.
func TestStoreOfARegion(t *testing.T) {
	l := newLayout(t)
	west, east := startRegions(t, l, true)
	eventually.Nil(t, "a leader", func() error {
		for _, b := range west {
			if _, err := b.StoreStatus(); err != nil {
				return err
			}
		}
		return nil
	})
	js := makeAudit(t, storeUser(t, l, east, "b1"), 2)
	for range 10 {
		if _, err := js.Publish(subjects.StoreAuditSubject, []byte("event"), nats.AckWait(patience)); err != nil {
			t.Fatal(err)
		}
	}
	info, err := js.StreamInfo(subjects.StoreAudit)
	if err != nil || info.State.Msgs != 10 || info.Cluster.Name != "west" {
		t.Errorf("seen from east: %+v, %v; want 10 events in west", info, err)
	}
	js, err = storeUser(t, l, west[1], "b2").JetStream()
	if err != nil {
		t.Fatal(err)
	}
	if info, err := js.StreamInfo(subjects.StoreAudit); err != nil || info.State.Msgs != 10 {
		t.Errorf("seen from west: %+v, %v; want 10 events", info, err)
	}
}

func TestGatewaysRefused(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{GatewaysListen: ":7222"}, "gateways-listen: of no use without gateways"},
		{Config{GatewaysListen: Off, Gateways: []string{"east=tls://b:7222"}, ClusterName: "west"}, "gateways-listen: "},
		{Config{Gateways: []string{"east=tls://b:7222"}}, "cluster-name: needed"},
		{Config{Gateways: []string{"west=tls://b:7222"}, ClusterName: "west"}, "names no region but west"},
		{Config{Gateways: []string{"tls://b:7222"}, ClusterName: "west"}, "number 1 is not like region=tls://host:7222"},
		{Config{Gateways: []string{"east=tls://b:7222", "east=tls://b"}, ClusterName: "west"}, "number 2"},
		{Config{Gateways: []string{"east=nats://secret@b:7222"}, ClusterName: "west"}, "number 1"},
		{Config{Gateways: []string{"a.b=tls://b:7222"}, ClusterName: "west"}, "number 1"},
	} {
		c.cfg.Dir = "fairlead"
		err := c.cfg.Validate()
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%+v: %v, want %q", c.cfg.Gateways, err, c.want)
		}
	}
}

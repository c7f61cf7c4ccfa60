package broker

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/subjects/natslink"
)

func TestFirstRun(t *testing.T) {
	l := newLayout(t)
	b := startNode(t, l, nil)
	if err := b.Ready(); err != nil {
		t.Fatalf("not ready after Start: %v", err)
	}
	agent := agentCreds(t, l, "acme", "prod")
	bridge := bridgeCreds(t, l, "acme", "b1")
	for _, c := range []struct {
		name          string
		agent, bridge func() *nats.Conn
	}{
		{
			"TLS",
			func() *nats.Conn { return mustConnect(t, l, b.ClientURL(), agent) },
			func() *nats.Conn { return mustConnect(t, l, b.ClientURL(), bridge) },
		},
		{
			"WebSocket over TLS, bridge in process",
			func() *nats.Conn { return mustConnect(t, l, b.WebsocketURL(), agent) },
			func() *nats.Conn {
				nc, err := nats.Connect("", nats.InProcessServer(natslink.InProcess(b)), nats.UserCredentialBytes(bridge), nats.Timeout(patience))
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(nc.Close)
				return nc
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := roundTrip(c.bridge(), c.agent(), "b1", "prod", "a1"); err != nil {
				t.Fatal(err)
			}
		})
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	start := time.Now()
	if err := b.Drain(ctx); err != nil {
		t.Fatalf("drain: %v", err)
	}
	t.Logf("drained in %s", time.Since(start))
	if b.Ready() == nil {
		t.Error("ready after Drain")
	}
}

func TestStartWithoutSystemAccount(t *testing.T) {
	l := newLayout(t)
	op, err := l.Operator()
	if err != nil {
		t.Fatal(err)
	}
	remove(t, l.AccountFile(op.SystemAccount))
	start := time.Now()
	b, err := Start(Config{Dir: l.Dir(), Listen: "127.0.0.1:0", WebsocketListen: Off, Logger: testLog(t)})
	if err == nil {
		b.Shutdown()
		t.Fatal("started without the system account's JWT")
	}
	t.Logf("after %s: %v", time.Since(start), err)
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %s to say so", took)
	}
}

func TestPortInUse(t *testing.T) {
	l := newLayout(t)
	first := startNode(t, l, nil)
	_, err := Start(Config{
		Dir: l.Dir(), Listen: first.server.Addr().String(), WebsocketListen: Off,
		ResolverDir: t.TempDir(), Logger: testLog(t),
	})
	if err == nil {
		t.Fatal("started on a port in use")
	}
	t.Log(err)
}

// TestDrainMovesClients: agents go to another node by themselves, and the node
// that drains does not wait for longer than its bound.
func TestDrainMovesClients(t *testing.T) {
	l := newLayout(t)
	nodes := startCluster(t, l, 2)
	moved := make(chan struct{}, 1)
	agent := mustConnect(t, l, nodes[0].ClientURL()+","+nodes[1].ClientURL(), agentCreds(t, l, "acme", "prod"),
		nats.DontRandomize(),
		func(o *nats.Options) error { o.AllowReconnect = true; return nil },
		nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond),
		nats.ReconnectHandler(func(*nats.Conn) { moved <- struct{}{} }),
	)
	if agent.ConnectedServerName() != "node-0" {
		t.Fatalf("connected to %s", agent.ConnectedServerName())
	}
	start := time.Now()
	if err := nodes[0].Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("a drain of 1 s took %s", took)
	}
	select {
	case <-moved:
	case <-time.After(patience):
		t.Fatal("the agent did not move")
	}
	bridge := mustConnect(t, l, nodes[1].ClientURL(), bridgeCreds(t, l, "acme", "b1"))
	if err := roundTrip(bridge, agent, "b1", "prod", "a1"); err != nil {
		t.Error(err)
	}
	if _, err := nodes[0].InProcessConn(); err == nil {
		t.Error("an in-process connection to a node that has drained")
	}
}

// TestDrainIsCutShort: clients that stay do not hold a drain whose context ends.
func TestDrainIsCutShort(t *testing.T) {
	l := newLayout(t)
	b := startNode(t, l, func(c *Config) { c.DrainTimeout = time.Minute })
	mustConnect(t, l, b.ClientURL(), agentCreds(t, l, "acme", "prod"))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	if err := b.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("drain: %v", err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
}

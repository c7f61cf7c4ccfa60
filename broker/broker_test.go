package broker

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
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
				nc, err := nats.Connect("", nats.InProcessServer(b), nats.UserCredentialBytes(bridge))
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
	remove(t, l.accountFile(op.SystemAccount))
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

func remove(t *testing.T, file string) {
	t.Helper()
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
}

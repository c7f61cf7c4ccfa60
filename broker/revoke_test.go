package broker

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// cutWithin is how soon a revoked user's connection must be gone.
const cutWithin = 5 * time.Second

func TestRevoke(t *testing.T) {
	l := newLayout(t)
	nodes := startCluster(t, l, 3)
	creds := agentCreds(t, l, "acme", "prod")
	var victims []*nats.Conn
	for _, n := range nodes {
		victims = append(victims, mustConnect(t, l, n.ClientURL(), creds))
	}
	victims = append(victims, mustConnect(t, l, nodes[1].WebsocketURL(), creds))
	other := mustConnect(t, l, nodes[2].ClientURL(), agentCreds(t, l, "acme", "stage"))
	renewed := mustConnect(t, l, nodes[2].ClientURL(), agentCreds(t, l, "acme", "prod"))

	start := time.Now()
	accountJWT, err := l.RevokeUser("acme", userOf(t, creds))
	if err != nil {
		t.Fatal(err)
	}
	pushed := make(chan []string, 1)
	go func() { pushed <- push(t, l, nodes[0], accountJWT) }()
	for i, v := range victims {
		awaitCut(t, v)
		took := time.Since(start)
		t.Logf("connection %d cut %s after the revocation", i, took)
		if took > cutWithin {
			t.Errorf("connection %d was cut after %s", i, took)
		}
	}
	stored := <-pushed
	slices.Sort(stored)
	if want := []string{"node-0", "node-1", "node-2"}; !slices.Equal(stored, want) {
		t.Errorf("stored by %v, want %v", stored, want)
	}
	for _, n := range nodes {
		if _, err := connect(t, l, n.ClientURL(), creds); err == nil {
			t.Errorf("the revoked user connected to %s", n.Name())
		}
	}
	for _, nc := range []*nats.Conn{other, renewed} {
		if err := nc.Flush(); err != nil {
			t.Errorf("another user of the tenant was cut: %v", err)
		}
	}
}

// TestRevokeWhileAway: a node that was down during the push comes to know of
// it by itself.
func TestRevokeWhileAway(t *testing.T) {
	l := newLayout(t)
	nodes := startCluster(t, l, 2)
	creds := agentCreds(t, l, "acme", "prod")
	dir := filepath.Join(t.TempDir(), "jwt")
	start := func() *Broker {
		return startNode(t, l, func(c *Config) {
			c.Name = "away"
			c.ResolverDir = dir
			c.RoutesListen = "127.0.0.1:0"
			c.Routes = []string{"tls://" + nodes[0].RoutesAddr(), "tls://" + nodes[1].RoutesAddr()}
		})
	}
	away := start()
	mustConnect(t, l, away.ClientURL(), creds).Close()
	away.Shutdown()

	accountJWT, err := l.RevokeUser("acme", userOf(t, creds))
	if err != nil {
		t.Fatal(err)
	}
	push(t, l, nodes[0], accountJWT)
	// Taken from the directory that nodes start with, the revocation would be
	// known at once.
	remove(t, l.AccountFile(mustAccount(t, l, "acme")))
	back := time.Now()
	away = start()
	eventually.Nil(t, "the node to refuse the revoked user", func() error {
		nc, err := connect(t, l, away.ClientURL(), creds)
		if err == nil {
			nc.Close()
			return errors.New("it connected")
		}
		return nil
	})
	took := time.Since(back)
	t.Logf("refused %s after the node was back", took)
	if took > cutWithin {
		t.Errorf("the node let the revoked user in for %s", took)
	}
}

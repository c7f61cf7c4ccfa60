package broker

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/broker/internal/brokertest"
	"github.com/fairlead-io/fairlead/broker/keys"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// The helpers that other packages' tests share, by short names.
var (
	newLayout       = brokertest.NewLayout
	mustOperator    = brokertest.Operator
	mustAccount     = brokertest.Account
	write           = brokertest.Write
	remove          = brokertest.Remove
	agentCreds      = brokertest.AgentCreds
	bridgeCreds     = brokertest.BridgeCreds
	credsNamed      = brokertest.CredsNamed
	systemCreds     = brokertest.SystemCreds
	userOf          = brokertest.UserOf
	carelessAccount = brokertest.CarelessAccount
)

// The victim of [brokertest.Tree], and who is not.
const (
	victim         = brokertest.Victim
	victimInstance = brokertest.VictimInstance
	victimBridge   = brokertest.VictimBridge
	bystander      = brokertest.Bystander
)

var tree, foreign, hostile = brokertest.Tree, brokertest.Foreign, brokertest.Hostile

// claimsUpdate is where nats-server takes pushed accounts.
const claimsUpdate = "$SYS.REQ.CLAIMS.UPDATE"

const patience = 10 * time.Second // for what must happen; far above what it takes

// startNode starts a broker from l on free loopback ports; mod may change its
// configuration.
func startNode(t *testing.T, l *keys.Layout, mod func(*Config)) *Broker {
	t.Helper()
	cfg := Config{
		Dir:             l.Dir(),
		Listen:          "127.0.0.1:0",
		WebsocketListen: "127.0.0.1:0",
		DrainTimeout:    time.Second,
		Logger:          testLog(t),
	}
	if mod != nil {
		mod(&cfg)
	}
	b, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Shutdown)
	return b
}

// startCluster starts n nodes from l, each with its own resolver directory,
// and waits until every node has a route to every other.
func startCluster(t *testing.T, l *keys.Layout, n int) []*Broker {
	t.Helper()
	return startClusterWith(t, l, n, nil)
}

// startClusterWith does it with configurations that mod may change.
func startClusterWith(t *testing.T, l *keys.Layout, n int, mod func(*Config)) []*Broker {
	t.Helper()
	var nodes []*Broker
	for i := range n {
		nodes = append(nodes, startNode(t, l, func(c *Config) {
			c.Name = fmt.Sprintf("node-%d", i)
			c.ResolverDir = filepath.Join(t.TempDir(), "jwt")
			c.RoutesListen = "127.0.0.1:0"
			if i > 0 {
				c.Routes = []string{"tls://" + nodes[0].RoutesAddr()}
			}
			if mod != nil {
				mod(c)
			}
		}))
	}
	eventually.Nil(t, "a route between every two nodes", func() error {
		for _, b := range nodes {
			peers := map[string]bool{}
			z, err := b.server.Routez(nil)
			if err != nil {
				return err
			}
			for _, r := range z.Routes {
				peers[r.RemoteID] = true
			}
			if len(peers) != n-1 {
				return fmt.Errorf("%s has %d peers", b.Name(), len(peers))
			}
		}
		return nil
	})
	return nodes
}

func roots(t *testing.T, l *keys.Layout) *x509.CertPool {
	t.Helper()
	pem, err := os.ReadFile(l.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		t.Fatal("no certificate in ca.crt")
	}
	return pool
}

// connect connects once with creds, over TLS.
func connect(t *testing.T, l *keys.Layout, url string, creds []byte, opts ...nats.Option) (*nats.Conn, error) {
	t.Helper()
	opts = append([]nats.Option{
		nats.UserCredentialBytes(creds),
		nats.Secure(&tls.Config{RootCAs: roots(t, l), MinVersion: tls.VersionTLS12}),
		nats.NoReconnect(),
		nats.IgnoreDiscoveredServers(),
		nats.Timeout(patience),
	}, opts...)
	nc, err := nats.Connect(url, opts...)
	if err == nil {
		t.Cleanup(nc.Close)
	}
	return nc, err
}

func mustConnect(t *testing.T, l *keys.Layout, url string, creds []byte, opts ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := connect(t, l, url, creds, opts...)
	if err != nil {
		t.Fatalf("connect %s: %v", url, err)
	}
	return nc
}

// roundTrip sends one frame from bridge to agent and one back.
func roundTrip(bridge, agent *nats.Conn, id, cluster, instance string) error {
	down, err := agent.SubscribeSync(subjects.AgentFrames(cluster, instance))
	if err != nil {
		return err
	}
	defer func() { _ = down.Unsubscribe() }()
	up, err := bridge.SubscribeSync(subjects.BridgeFrames(id))
	if err != nil {
		return err
	}
	defer func() { _ = up.Unsubscribe() }()
	if err := errors.Join(agent.Flush(), bridge.Flush()); err != nil {
		return err
	}
	if err := bridge.Publish(subjects.Down(cluster, instance, id), []byte("ping")); err != nil {
		return err
	}
	if _, err := down.NextMsg(patience); err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	if err := agent.Publish(subjects.Up(id, cluster, instance), []byte("pong")); err != nil {
		return err
	}
	if _, err := up.NextMsg(patience); err != nil {
		return fmt.Errorf("bridge: %w", err)
	}
	return nil
}

// awaitCut waits until the server has cut a connection and returns how long
// that took.
func awaitCut(t *testing.T, nc *nats.Conn) time.Duration {
	t.Helper()
	start := time.Now()
	eventually.Nil(t, "the server to cut the connection", func() error {
		if !nc.IsClosed() {
			return fmt.Errorf("status %s", nc.Status())
		}
		return nil
	})
	return time.Since(start)
}

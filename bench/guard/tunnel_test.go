package guard

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"log/slog"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nkeys"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"k8s.io/client-go/rest"

	"github.com/fairlead-io/fairlead/agent/serve"
	"github.com/fairlead-io/fairlead/agent/upstream"
	"github.com/fairlead-io/fairlead/bench/load"
	"github.com/fairlead-io/fairlead/bench/parts"
	"github.com/fairlead-io/fairlead/bridge"
	"github.com/fairlead-io/fairlead/bridge/access/token"
	"github.com/fairlead-io/fairlead/bridge/tenant"
	"github.com/fairlead-io/fairlead/broker"
	"github.com/fairlead-io/fairlead/broker/keys"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/natslink"
	"github.com/fairlead-io/fairlead/subjects/stream"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	tenantName = "acme"
	cluster    = "prod"
	patience   = 20 * time.Second // bounds waits for events that must happen; far above what they take
)

// tunnel is broker, bridge and agent in this process, wired as in their binaries:
// the bridge uses the broker in its process, the agent connects over TLS.
type tunnel struct {
	direct string // base URLs
	url    string
	token  string
	client *load.Client
	// identity is url of a second bridge, by withIdentity, and idToken its token.
	identity, idToken string
	longToken         string // a second static token for url, about as long as idToken
}

func start(t testing.TB) *tunnel {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "d")
	l, err := keys.Init(keys.InitOptions{Dir: dir, Tenant: tenantName, Cluster: cluster})
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	b, err := broker.Start(broker.Config{Dir: dir, Listen: "127.0.0.1:0", WebsocketListen: broker.Off, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Shutdown)
	upstream := httptest.NewServer(parts.NewUpstream())
	t.Cleanup(upstream.Close)
	startAgent(t, l, b, upstream.URL, quiet)

	token, err := os.ReadFile(l.TokenFile())
	if err != nil {
		t.Fatal(err)
	}
	longToken := addLongToken(t, l)
	const path = "/k8s/clusters/" + cluster + "." + tenantName
	u := &tunnel{
		direct: upstream.URL, url: startBridge(t, l, b, withToken(t, l, quiet)) + path,
		token: strings.TrimSpace(string(token)), longToken: longToken, client: load.NewClient(),
	}
	t.Cleanup(u.client.Close)
	u.await(t, u.url, u.token)
	change, idToken := withIdentity(t, quiet)
	u.identity, u.idToken = startBridge(t, l, b, change)+path, idToken
	u.await(t, u.identity, idToken)
	return u
}

// addLongToken adds a second static token to the file.
func addLongToken(t testing.TB, l *keys.Layout) string {
	t.Helper()
	long := "fl_" + strings.Repeat("x", 600)
	digest := sha256.Sum256([]byte(long))
	entry, err := token.Entry("long", "sha256:"+hex.EncodeToString(digest[:]), []string{"*"})
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(l.TokensFile(), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(entry); err != nil {
		t.Fatal(err)
	}
	return long
}

// withToken makes a bridge one whose callers have static tokens.
func withToken(t testing.TB, l *keys.Layout, quiet *slog.Logger) (change func(*bridge.Config)) {
	t.Helper()
	tokens, err := token.Open(l.TokensFile(), quiet)
	if err != nil {
		t.Fatal(err)
	}
	return func(c *bridge.Config) { c.Authenticator = tokens }
}

func startBridge(t testing.TB, l *keys.Layout, b *broker.Broker, change func(*bridge.Config)) string {
	t.Helper()
	seed, err := os.ReadFile(l.BridgeKeyFile())
	if err != nil {
		t.Fatal(err)
	}
	key, err := nkeys.ParseDecoratedNKey(seed)
	if err != nil {
		t.Fatal(err)
	}
	accounts, err := l.Tenants()
	if err != nil {
		t.Fatal(err)
	}
	list := tenant.List{tenantName: tenant.Entry{Account: accounts[tenantName]}}
	pool, err := tenant.NewPool(tenant.Config{
		ID: subjects.NewID('b'), Key: key, Tenants: func() tenant.List { return list }, InProcess: b,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	config := bridge.Config{Tenants: pool, Registerer: prometheus.NewRegistry()}
	change(&config)
	s, err := bridge.New(config)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(listener, nil) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-served; err != nil {
			t.Errorf("bridge: %v", err)
		}
	})
	return "http://" + listener.Addr().String()
}

func startAgent(t testing.TB, l *keys.Layout, b *broker.Broker, server string, quiet *slog.Logger) {
	t.Helper()
	pem, err := os.ReadFile(l.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	nc, err := natslink.Connect(t.Context(), natslink.ConnectOptions{
		Name: cluster, Servers: []string{b.ClientURL()}, CredsFile: l.CredsFile(tenantName, cluster),
		TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	up, err := upstream.New(&rest.Config{Host: server}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(up.Close)
	h := serve.NewHandler(up, nil, serve.NewMetrics(prometheus.NewRegistry()), quiet, nil)
	started := time.Now()
	a, err := natslink.NewAgent(nc, natslink.AgentConfig{
		Cluster: cluster, Instance: subjects.NewID('a'), Stream: stream.Config{Handler: h.Serve},
		Presence: func() subjects.Presence { return subjects.Presence{Started: started, Reachable: true} },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
}

// await returns when the tunnel answers.
func (u *tunnel) await(t testing.TB, url, token string) {
	t.Helper()
	eventually.Within(t, patience, "an answer through the tunnel", func() error {
		_, err := u.client.Do(job(url, token, 1, 1))
		return err
	})
}

// job is a number of requests, a multiple of conns.
func job(url, token string, conns, requests int) load.Job {
	return load.Job{Op: load.OpUnary, URL: url, Token: token, Conns: conns, Requests: requests / conns}
}

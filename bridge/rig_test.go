package bridge

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nkeys"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/bridge/access/token"
	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/bridge/internal/natstest"
	"github.com/fairlead-io/fairlead/bridge/tenant"
	"github.com/fairlead-io/fairlead/deploy/requestid"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
	"github.com/fairlead-io/fairlead/test/harness/testca"
)

func TestMain(m *testing.M) {
	// A server of package http lingers for 500 ms on a connection that it breaks off.
	goleak.VerifyTestMain(everyResponse{m}, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// rig is a bridge on a real TLS listener and a real NATS server in operator
// mode. Agents are the real link with scripted answers.
type rig struct {
	t      testing.TB
	nats   *natstest.Server
	pool   *tenant.Pool
	list   atomic.Pointer[tenant.List] // of tenants; a test may replace it
	server *Server
	addr   string // host:port
	url    string
	token  string // may reach everything
	acme   string // may reach *.acme
	// tokensFile holds the hashes of the two.
	tokensFile string
	ca         []byte
	roots      *x509.CertPool
	reg        *prometheus.Registry
	log        *lockedBuffer
	// unread gets the error that ended a stream before an agent had read its head.
	unread chan error
	clients
	// over guards ended, which is set once t may not be used any more.
	over  sync.Mutex
	ended bool
}

type clients struct{ h1, h2 *http.Client }

type rigOptions struct {
	directory directory.Config
	stream    stream.Config
	clusters  []string // configured of tenant lab
	idle      time.Duration
	// network has the bridge reach the brokers by network, so that a test can restart them.
	network bool
	// strange is one more tenant, whose account is not on the broker.
	strange   string
	publicURL string
	plain     bool
	nats      *natstest.Server // that of another bridge; nil: one of its own
	config    func(*Config)
	change    func(*http.Server)
}

func newRig(t testing.TB, o rigOptions) *rig {
	t.Helper()
	if o.nats == nil {
		o.nats = natstest.Start(t, "default", "acme", "lab")
	}
	r := &rig{t: t, nats: o.nats, reg: prometheus.NewRegistry(), log: &lockedBuffer{}, unread: make(chan error, 1)}
	t.Cleanup(func() {
		r.over.Lock()
		defer r.over.Unlock()
		r.ended = true
	})
	list := tenant.List{}
	for name, account := range r.nats.Accounts {
		list[name] = tenant.Entry{Account: account}
	}
	list["lab"] = tenant.Entry{Account: list["lab"].Account, Clusters: o.clusters}
	if o.strange != "" {
		list[o.strange] = tenant.Entry{Account: strangeAccount(t)}
	}
	r.list.Store(&list)
	log := slog.New(requestid.Handler(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	var err error
	pool := tenant.Config{
		ID: subjects.NewID('b'), Key: r.nats.BridgeKey, Tenants: func() tenant.List { return *r.list.Load() },
		Directory: o.directory, Stream: o.stream, Idle: o.idle, Logger: log,
	}
	if o.network {
		pool.Broker = r.nats.Broker(t)
	} else {
		pool.InProcess = r.nats.Server
	}
	r.pool, err = tenant.NewPool(pool)
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		Tenants: r.pool, Authenticator: r.tokens(), PublicURL: o.publicURL,
		CA: func() []byte { return r.ca }, Registerer: r.reg, Logger: log,
	}
	if o.config != nil {
		o.config(&cfg)
	}
	r.server, err = New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if o.change != nil {
		o.change(r.server.http)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.addr = l.Addr().String()
	r.url = "https://" + r.addr
	var config *tls.Config
	if o.plain {
		r.url = "http://" + r.addr
	} else {
		config = r.certificate()
	}
	served := make(chan error, 1)
	go func() { served <- r.server.Serve(l, config) }()
	r.clients = clients{h1: r.client(false), h2: r.client(true)}
	t.Cleanup(func() {
		r.h1.CloseIdleConnections()
		r.h2.CloseIdleConnections()
		r.server.Close()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		r.pool.Close()
	})
	return r
}

// strangeAccount is the key of an account that no broker has.
func strangeAccount(t testing.TB) string {
	t.Helper()
	key, err := nkeys.CreateAccount()
	if err != nil {
		t.Fatal(err)
	}
	public, err := key.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return public
}

func (r *rig) tokens() *token.Tokens {
	var b strings.Builder
	b.WriteString("tokens:\n")
	add := func(name, pattern string) string {
		fresh, hash := token.New()
		entry, err := token.Entry(name, hash, []string{pattern})
		if err != nil {
			r.t.Fatal(err)
		}
		b.WriteString(entry)
		return fresh
	}
	r.token, r.acme = add("admin", "*"), add("acme-ci", "*.acme")
	r.tokensFile = filepath.Join(r.t.TempDir(), "tokens.yaml")
	if err := os.WriteFile(r.tokensFile, []byte(b.String()), 0o600); err != nil {
		r.t.Fatal(err)
	}
	tokens, err := token.Open(r.tokensFile, slog.New(slog.DiscardHandler))
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan struct{})
	go func() {
		defer close(ran)
		_ = tokens.Run(ctx)
	}()
	r.t.Cleanup(func() {
		cancel()
		<-ran
	})
	return tokens
}

// certificate makes a certificate for the loopback address, of a CA of its own.
func (r *rig) certificate() *tls.Config {
	ca := testca.New(r.t, "bridge")
	r.ca, r.roots = ca.PEM(), ca.Pool()
	return &tls.Config{Certificates: []tls.Certificate{ca.Server()}}
}

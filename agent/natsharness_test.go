package agent

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/natslink"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

type testBroker struct {
	t        *testing.T
	server   *natsserver.Server
	options  *natsserver.Options
	resolver *natsserver.MemAccResolver
	operator nkeys.KeyPair
	account  *jwt.AccountClaims
	agents   nkeys.KeyPair // the scoped key of role agent
	bridges  nkeys.KeyPair
	ca       *ca
	caFile   string
}

func newTestBroker(t *testing.T) *testBroker {
	t.Helper()
	must := func(k nkeys.KeyPair, err error) (nkeys.KeyPair, string) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		public, err := k.PublicKey()
		if err != nil {
			t.Fatal(err)
		}
		return k, public
	}
	b := &testBroker{t: t, resolver: &natsserver.MemAccResolver{}, ca: newCA(t, "broker")}
	b.caFile = filepath.Join(t.TempDir(), "ca.crt")
	writeFile(t, b.caFile, string(b.ca.pem()))
	var operator, account, agents, bridges string
	b.operator, operator = must(nkeys.CreateOperator())
	_, account = must(nkeys.CreateAccount())
	b.agents, agents = must(nkeys.CreateAccount())
	b.bridges, bridges = must(nkeys.CreateAccount())
	b.account = jwt.NewAccountClaims(account)
	scope := func(role, public string, pub, sub []string) {
		s := jwt.NewUserScope()
		s.Role, s.Key = role, public
		s.Template.Permissions.Pub.Allow.Add(pub...)
		s.Template.Permissions.Sub.Allow.Add(sub...)
		b.account.SigningKeys.AddScopedSigner(s)
	}
	scope(subjects.RoleAgent, agents, []string{"up.*.{{name()}}.>"}, []string{"down.{{name()}}.>"})
	scope(subjects.RoleBridge, bridges, []string{"down.>"}, []string{"up.>"})
	b.push()

	claims := jwt.NewOperatorClaims(operator)
	token, err := claims.Encode(b.operator)
	if err != nil {
		t.Fatal(err)
	}
	if claims, err = jwt.DecodeOperatorClaims(token); err != nil {
		t.Fatal(err)
	}
	b.options = &natsserver.Options{
		Host: "127.0.0.1", Port: natsserver.RANDOM_PORT, NoSigs: true, NoLog: true, MaxPayload: 8 << 20,
		TrustedOperators: []*jwt.OperatorClaims{claims}, AccountResolver: b.resolver,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{b.ca.issue(t, "broker")}}, TLS: true, TLSTimeout: 5,
	}
	b.start()
	t.Cleanup(b.stop)
	return b
}

func (b *testBroker) start() {
	b.t.Helper()
	options := b.options.Clone()
	s, err := natsserver.NewServer(options)
	if err != nil {
		b.t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		b.t.Fatal("broker not ready within 10 s")
	}
	b.server, b.options.Port = s, options.Port // the same one after a restart
}

func (b *testBroker) stop() {
	b.server.Shutdown()
	b.server.WaitForShutdown()
}

func (b *testBroker) url() string { return fmt.Sprintf("tls://127.0.0.1:%d", b.options.Port) }

func (b *testBroker) push() {
	b.t.Helper()
	token, err := b.account.Encode(b.operator)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.resolver.Store(b.account.Subject, token); err != nil {
		b.t.Fatal(err)
	}
	if b.server != nil {
		a, err := b.server.LookupAccount(b.account.Subject)
		if err != nil {
			b.t.Fatal(err)
		}
		b.server.UpdateAccountClaims(a, b.account)
	}
}

// role adds a scoped key to the tenant.
func (b *testBroker) role(name string, pub, sub []string) nkeys.KeyPair {
	b.t.Helper()
	k, err := nkeys.CreateAccount()
	if err != nil {
		b.t.Fatal(err)
	}
	s := jwt.NewUserScope()
	s.Role = name
	s.Key, _ = k.PublicKey()
	s.Template.Permissions.Pub.Allow.Add(pub...)
	s.Template.Permissions.Sub.Allow.Add(sub...)
	b.account.SigningKeys.AddScopedSigner(s)
	b.push()
	return k
}

func (b *testBroker) creds(signer nkeys.KeyPair, name string, expires time.Time) (file, public string) {
	b.t.Helper()
	user, err := nkeys.CreateUser()
	if err != nil {
		b.t.Fatal(err)
	}
	public, _ = user.PublicKey()
	seed, _ := user.Seed()
	claims := jwt.NewUserClaims(public)
	claims.Name, claims.IssuerAccount = name, b.account.Subject
	claims.SetScoped(true)
	if !expires.IsZero() {
		claims.Expires = expires.Unix()
	}
	token, err := claims.Encode(signer)
	if err != nil {
		b.t.Fatal(err)
	}
	text, err := jwt.FormatUserConfig(token, seed)
	if err != nil {
		b.t.Fatal(err)
	}
	file = filepath.Join(b.t.TempDir(), name+".creds")
	writeFile(b.t, file, string(text))
	return file, public
}

type presences struct {
	mu   sync.Mutex
	last map[string]subjects.Presence // by instance
}

func (p *presences) add(_, instance string, q *subjects.Presence) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last[instance] = *q
}

func (p *presences) find(ok func(subjects.Presence) bool) (instance string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, q := range p.last {
		if ok(q) {
			return i
		}
	}
	return ""
}

func (b *testBroker) bridge() (*natslink.Bridge, *presences) {
	b.t.Helper()
	file, _ := b.creds(b.bridges, "b1", time.Time{})
	roots := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool()}
	roots.RootCAs.AddCert(b.ca.cert)
	nc, err := natslink.Connect(b.t.Context(), natslink.ConnectOptions{Servers: []string{b.url()}, CredsFile: file, TLS: roots})
	if err != nil {
		b.t.Fatal(err)
	}
	p := &presences{last: make(map[string]subjects.Presence)}
	bridge, err := natslink.NewBridge(nc, natslink.BridgeConfig{ID: "b1", Stream: stream.Config{}, OnPresence: p.add})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = bridge.Close(); nc.Close() })
	return bridge, p
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func runAgent(t *testing.T, cfg Config) (a *Agent, stop func(), log *syncBuffer) {
	t.Helper()
	log = &syncBuffer{}
	cfg.Logger = slog.New(slog.NewTextHandler(log, nil))
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("agent: %v", err)
		}
	})
	t.Cleanup(stop)
	return a, stop, log
}

func kube(t *testing.T, h http.HandlerFunc) *httptest.Server {
	return server(t, true, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/readyz":
			_, _ = io.WriteString(w, "ok")
		case "/version":
			_, _ = io.WriteString(w, `{"gitVersion":"v1.34.4"}`)
		default:
			h(w, r)
		}
	})
}

func call(t *testing.T, b *natslink.Bridge, instance string, head *subjects.RequestHead) (int, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	first, err := subjects.AppendRequestHead(nil, head)
	if err != nil {
		t.Fatal(err)
	}
	s, err := b.Open(ctx, "prod", instance, first, true)
	if err != nil {
		return 0, err
	}
	defer s.Close()
	h, err := answerHead(s)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, s)
	return h.Status, err
}

func isUp(p subjects.Presence) bool {
	return p.State == subjects.PresenceUp && p.Reachable && p.Kubernetes == "v1.34.4"
}

func waitForLong(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(2*probeEvery + probeLimit); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not in time", what)
		}
	}
}

var connzAuth = natsserver.ConnzOptions{Username: true}

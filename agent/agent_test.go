package agent

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/natslink"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// testBroker is a nats-server in operator mode with TLS and one tenant.
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

// push makes the account's claims known to the server.
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

// creds writes credentials and returns the file and the user's public key.
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

// presences collects what agents announce.
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

// syncBuffer is a log that can be read while it is written.
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

// runAgent runs an agent until the test ends or stop is called.
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

// kube is an API server with a version, and with whatever h serves.
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

// call makes one request to an instance.
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

func TestAgentServes(t *testing.T) {
	b := newTestBroker(t)
	var hits atomic.Int32
	s := kube(t, func(http.ResponseWriter, *http.Request) { hits.Add(1) })
	file, _ := b.creds(b.agents, "prod", time.Time{})
	bridge, seen := b.bridge()
	registry := prometheus.NewRegistry()
	cfg := Config{Servers: []string{b.url()}, CredsFile: file, CAFile: b.caFile, Kube: configFor(s), Version: "v1", Registry: registry}
	a, stop, log := runAgent(t, cfg)
	if a.Cluster() != "prod" {
		t.Errorf("cluster %q", a.Cluster())
	}
	waitFor(t, "presence says that all is well", func() bool { return seen.find(isUp) != "" })
	instance := seen.find(isUp)
	if status, err := call(t, bridge, instance, get("/api")); status != 200 || err != nil {
		t.Fatalf("got %d, %v", status, err)
	}
	for name, check := range map[string]func(context.Context) (string, error){
		"connected to tls://127.0.0.1": a.BrokerCheck, "Kubernetes v1.34.4": a.APIServerCheck, "": a.LiveCheck,
	} {
		if good, err := check(t.Context()); err != nil || !strings.Contains(good, name) {
			t.Errorf("check: got %q, %v, want %q", good, err, name)
		}
	}
	waitFor(t, "the stream is released", func() bool { return a.streams() == 0 })
	checkMetrics(t, registry, map[string]float64{
		"fairlead_agent_requests_total": 1, "fairlead_agent_broker_connected": 1,
		"fairlead_agent_api_server_reachable": 1, "fairlead_agent_streams": 0, "fairlead_agent_broker_reconnects_total": 0,
	})

	// The broker goes and comes back: nothing has to be restarted.
	b.stop()
	waitFor(t, "the broker is missed", func() bool { _, err := a.BrokerCheck(t.Context()); return err != nil })
	b.start()
	waitFor(t, "a request passes again", func() bool {
		status, _ := call(t, bridge, instance, get("/api"))
		return status == 200
	})
	checkMetrics(t, registry, map[string]float64{"fairlead_agent_broker_reconnects_total": 1})

	// The API server goes: presence and readiness say so.
	s.CloseClientConnections()
	s.Close()
	waitForLong(t, "presence says that the API server is gone", func() bool {
		return seen.find(func(p subjects.Presence) bool { return !p.Reachable }) != ""
	})
	if _, err := a.APIServerCheck(t.Context()); err == nil || !strings.Contains(err.Error(), "connect to API server") {
		t.Errorf("check: got %v", err)
	}
	stop()
	waitFor(t, "the instance says goodbye", func() bool {
		return seen.find(func(p subjects.Presence) bool { return p.State == subjects.PresenceBye }) != ""
	})
	if strings.Contains(log.String(), "eyJ") || strings.Contains(log.String(), "SU") {
		t.Error("a JWT or a seed was logged")
	}
}

// waitForLong is for what takes up to two probes of the API server.
func waitForLong(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(2*probeEvery + probeLimit); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not in time", what)
		}
	}
}

func checkMetrics(t *testing.T, r *prometheus.Registry, want map[string]float64) {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		w, ok := want[f.GetName()]
		if !ok {
			continue
		}
		sum := 0.0
		for _, m := range f.Metric {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
		if sum != w {
			t.Errorf("%s is %v, want %v", f.GetName(), sum, w)
		}
		delete(want, f.GetName())
	}
	for name := range want {
		t.Errorf("no metric %s", name)
	}
}

func TestDrainFinishesWhatRuns(t *testing.T) {
	b := newTestBroker(t)
	arrived, release := make(chan struct{}), make(chan struct{})
	s := kube(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(arrived)
			<-release
		}
	})
	file, _ := b.creds(b.agents, "prod", time.Time{})
	bridge, seen := b.bridge()
	a, stop, _ := runAgent(t, Config{Servers: []string{b.url()}, CredsFile: file, CAFile: b.caFile, Kube: configFor(s)})
	waitFor(t, "presence", func() bool { return seen.find(isUp) != "" })
	instance := seen.find(isUp)
	result := make(chan error, 1)
	go func() {
		status, err := call(t, bridge, instance, post("/slow", 0))
		if err == nil && status != 200 {
			err = fmt.Errorf("status %d", status)
		}
		result <- err
	}()
	<-arrived
	drained := make(chan error, 1)
	go func() { drained <- a.Drain(t.Context()) }()
	waitFor(t, "presence says draining", func() bool {
		return seen.find(func(p subjects.Presence) bool { return p.State == subjects.PresenceDraining }) != ""
	})
	if _, err := call(t, bridge, instance, get("/new")); subjects.CodeOf(err) != subjects.CodeDraining {
		t.Errorf("a new request: got %v, want %v", err, subjects.CodeDraining)
	}
	close(release)
	if err := <-result; err != nil {
		t.Errorf("the running request: %v", err)
	}
	if err := <-drained; err != nil {
		t.Errorf("drain: %v", err)
	}
	stop()
}

func TestInstancesShareAndNoneExecutesTwice(t *testing.T) {
	b := newTestBroker(t)
	var hits atomic.Int32
	s := kube(t, func(http.ResponseWriter, *http.Request) { hits.Add(1) })
	file, _ := b.creds(b.agents, "prod", time.Time{})
	bridge, seen := b.bridge()
	cfg := Config{Servers: []string{b.url()}, CredsFile: file, CAFile: b.caFile, Kube: configFor(s)}
	runAgent(t, cfg)
	runAgent(t, cfg)
	waitFor(t, "two instances", func() bool {
		seen.mu.Lock()
		defer seen.mu.Unlock()
		return len(seen.last) == 2
	})
	seen.mu.Lock()
	instances := make([]string, 0, 2)
	for i := range seen.last {
		instances = append(instances, i)
	}
	seen.mu.Unlock()
	const n = 50
	for i := range n {
		if status, err := call(t, bridge, instances[i%2], post("/once", 0)); status != 200 || err != nil {
			t.Fatalf("got %d, %v", status, err)
		}
	}
	if hits.Load() != n {
		t.Errorf("%d requests executed %d times", n, hits.Load())
	}
}

func TestConnectionFailuresAreTold(t *testing.T) {
	b := newTestBroker(t)
	s := kube(t, nil)
	good, public := b.creds(b.agents, "prod", time.Time{})
	stranger, err := nkeys.CreateAccount()
	if err != nil {
		t.Fatal(err)
	}
	foreign, _ := b.creds(stranger, "prod", time.Time{})
	otherCA := filepath.Join(t.TempDir(), "ca.crt")
	writeFile(t, otherCA, string(newCA(t, "other").pem()))
	base := Config{Servers: []string{b.url()}, CredsFile: good, CAFile: b.caFile, Kube: configFor(s)}
	for want, change := range map[string]func(*Config){
		"certificate does not verify (see --ca)":             func(c *Config) { c.CAFile = otherCA },
		"the broker refuses the credentials of cluster prod": func(c *Config) { c.CredsFile = foreign },
		"cannot be resolved":                                 func(c *Config) { c.Servers = []string{"tls://no-such-host.invalid:4222"} },
		"connection refused":                                 func(c *Config) { c.Servers = []string{"tls://127.0.0.1:1"} },
	} {
		t.Run(want, func(t *testing.T) {
			cfg := base
			change(&cfg)
			a, _, log := runAgent(t, cfg)
			waitFor(t, want, func() bool { _, err := a.BrokerCheck(t.Context()); return strings.Contains(err.Error(), want) })
			waitFor(t, "a log line", func() bool { return strings.Contains(log.String(), want) })
			if n := strings.Count(log.String(), want); n > 2 {
				t.Errorf("said %d times within moments:\n%s", n, log)
			}
		})
	}
	t.Run("revoked while connected", func(t *testing.T) {
		a, _, _ := runAgent(t, base)
		waitFor(t, "connected", func() bool { _, err := a.BrokerCheck(t.Context()); return err == nil })
		b.account.Revoke(public)
		b.push()
		waitFor(t, "the revocation is told", func() bool {
			_, err := a.BrokerCheck(t.Context())
			return err != nil && strings.Contains(err.Error(), "revoked")
		})
		// The Secret gets new credentials: the running agent takes them up.
		fresh, _ := b.creds(b.agents, "prod", time.Time{})
		text, err := os.ReadFile(fresh)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, good, string(text))
		waitForLong(t, "connected again", func() bool { _, err := a.BrokerCheck(t.Context()); return err == nil })
	})
	t.Run("expired while connected", func(t *testing.T) {
		short, _ := b.creds(b.agents, "prod", time.Now().Add(2*time.Second))
		cfg := base
		cfg.CredsFile = short
		a, _, _ := runAgent(t, cfg)
		waitFor(t, "the expiry is told", func() bool {
			_, err := a.BrokerCheck(t.Context())
			return err != nil && strings.Contains(err.Error(), "credentials of cluster prod expired on ")
		})
	})
}

func TestExplainTellsCausesApart(t *testing.T) {
	creds := func() (*Creds, error) { return &Creds{Cluster: "prod"}, nil }
	for want, err := range map[string]error{
		"have expired":        nats.ErrAuthExpired,
		"been revoked":        nats.ErrAuthRevoked,
		"account has expired": nats.ErrAccountAuthExpired,
		"no connection left":  nats.ErrMaxAccountConnectionsExceeded,
		"another broker":      nats.ErrAuthorization,
		"another role's key":  fmt.Errorf("%w: up.x", nats.ErrPermissionViolation),
		"does not speak TLS":  nats.ErrSecureConnWanted,
		"no server":           nats.ErrNoServers,
		"something else":      errors.New("something else"),
	} {
		if got := explain(err, creds); !strings.Contains(got, want) {
			t.Errorf("%v: got %q, want %q in it", err, got, want)
		}
	}
}

func TestBadConfigurationIsRefused(t *testing.T) {
	b := newTestBroker(t)
	s := kube(t, nil)
	good, _ := b.creds(b.agents, "prod", time.Time{})
	expired, _ := b.creds(b.agents, "prod", time.Now().Add(-72*time.Hour))
	dotted, _ := b.creds(b.agents, "a.b", time.Time{})
	upper, _ := b.creds(b.agents, "Prod", time.Time{})
	other, _ := b.creds(b.agents, "prod", time.Time{})
	dir := t.TempDir()
	file := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		writeFile(t, path, string(text))
		return path
	}
	goodText, _ := os.ReadFile(good)
	otherText, _ := os.ReadFile(other)
	cut := bytes.Index(goodText, []byte("-----BEGIN USER NKEY SEED-----"))
	cutOther := bytes.Index(otherText, []byte("-----BEGIN USER NKEY SEED-----"))
	mixed := file("mixed", append(bytes.Clone(goodText[:cut]), otherText[cutOther:]...))
	seedless := file("seedless", goodText[:cut])
	noCreds := file("none", []byte("hello\n"))
	for _, test := range []struct {
		want   string
		change func(*Config)
	}{
		{"server: none given", func(c *Config) { c.Servers = nil }},
		{"is no URL", func(c *Config) { c.Servers = []string{"broker:4222"} }},
		{"only allowed to the machine itself", func(c *Config) { c.Servers = []string{"nats://broker:4222"} }},
		{"none of tls, wss", func(c *Config) { c.Servers = []string{"https://broker"} }},
		{"a user in the URL", func(c *Config) { c.Servers = []string{"tls://u:secret@broker:4222"} }},
		{"creds: no credentials file given", func(c *Config) { c.CredsFile = "" }},
		{"no such file", func(c *Config) { c.CredsFile = "/does/not/exist" }},
		{"no NATS credentials file", func(c *Config) { c.CredsFile = noCreds }},
		{"holds no user seed", func(c *Config) { c.CredsFile = seedless }},
		{"belongs to another user", func(c *Config) { c.CredsFile = mixed }},
		{"credentials of cluster prod expired on ", func(c *Config) { c.CredsFile = expired }},
		{"not a DNS label", func(c *Config) { c.CredsFile = dotted }},
		{"not a DNS label", func(c *Config) { c.CredsFile = upper }},
		{`cluster: "other", but the credentials`, func(c *Config) { c.Cluster = "other" }},
		{"ca: CA certificates", func(c *Config) { c.CAFile = noCreds }},
		{"max-streams", func(c *Config) { c.MaxStreams = -1 }},
	} {
		cfg := Config{Servers: []string{b.url()}, CredsFile: good, CAFile: b.caFile, Kube: configFor(s)}
		test.change(&cfg)
		_, err := New(cfg)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want %q in it", err, test.want)
		} else if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "eyJ") {
			t.Errorf("shows a secret: %v", err)
		}
	}
	if _, err := New(Config{Servers: []string{b.url(), "wss://x/y"}, CredsFile: good, Cluster: "prod", Kube: configFor(s)}); err != nil {
		t.Errorf("a good configuration: %v", err)
	}
}

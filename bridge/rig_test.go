package bridge

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
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
	"github.com/fairlead-io/fairlead/subjects/natslink"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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
	// unread gets what ended a stream before an agent had read its head.
	unread chan error
	clients
}

type clients struct{ h1, h2 *http.Client }

type rigOptions struct {
	directory directory.Config
	stream    stream.Config
	clusters  []string // configured of tenant lab
	idle      time.Duration
	// strange is one more tenant, whose account is not on the broker.
	strange   string
	publicURL string
	plain     bool
	config    func(*Config)
	change    func(*http.Server)
}

func newRig(t testing.TB, o rigOptions) *rig {
	t.Helper()
	r := &rig{t: t, nats: natstest.Start(t, "default", "acme", "lab"), reg: prometheus.NewRegistry(), log: &lockedBuffer{}, unread: make(chan error, 1)}
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
	r.pool, err = tenant.NewPool(tenant.Config{
		ID: subjects.NewID('b'), Key: r.nats.BridgeKey, Tenants: func() tenant.List { return *r.list.Load() },
		InProcess: r.nats.Server, Directory: o.directory, Stream: o.stream, Idle: o.idle, Logger: log,
	})
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

// certificate makes a self-signed certificate for the loopback address.
func (r *rig) certificate() *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		r.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		r.t.Fatal(err)
	}
	r.ca = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	r.roots = x509.NewCertPool()
	r.roots.AppendCertsFromPEM(r.ca)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

func (r *rig) client(h2 bool) *http.Client {
	var p http.Protocols
	p.SetHTTP1(!h2)
	p.SetHTTP2(h2)
	return &http.Client{
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: r.roots}, Protocols: &p, DisableCompression: true,
			MaxIdleConnsPerHost: 100,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// request makes a request of the admin.
func (r *rig) request(method, path string, body io.Reader) *http.Request {
	r.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, r.url+path, body)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+r.token)
	return req
}

// do sends a request and reads the whole response.
func (r *rig) do(c *http.Client, req *http.Request) (*http.Response, string) {
	r.t.Helper()
	res, err := c.Do(req)
	if err != nil {
		r.t.Fatalf("%s %s: %v", req.Method, req.URL, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatalf("%s %s: read body: %v", req.Method, req.URL, err)
	}
	return res, string(b)
}

// both runs a test over HTTP/1.1 and HTTP/2.
func (r *rig) both(t *testing.T, f func(t *testing.T, c *http.Client)) {
	t.Run("http1", func(t *testing.T) { f(t, r.h1) })
	t.Run("http2", func(t *testing.T) { f(t, r.h2) })
}

// conn is a connection that can be half-closed.
type conn interface {
	net.Conn
	CloseWrite() error
}

// dial opens a raw connection that speaks HTTP/1.1.
func (r *rig) dial() conn {
	r.t.Helper()
	nc, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	c := conn(nc.(*net.TCPConn))
	if r.roots != nil {
		c = tls.Client(nc, &tls.Config{RootCAs: r.roots, ServerName: "127.0.0.1"})
	}
	r.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	return c
}

// abort closes a connection so that the other side sees it break.
func abort(c net.Conn) {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	_ = c.(*net.TCPConn).SetLinger(0)
	_ = c.Close()
}

// raw sends bytes, with $TOKEN replaced, and returns a reader of what comes.
func (r *rig) raw(text string) (conn, *bufio.Reader) {
	r.t.Helper()
	c := r.dial()
	if _, err := io.WriteString(c, strings.ReplaceAll(text, "$TOKEN", r.token)); err != nil {
		r.t.Fatal(err)
	}
	return c, bufio.NewReader(c)
}

// handler is a scripted agent.
type handler func(head *subjects.RequestHead, s *stream.Stream)

// agent connects an agent whose requests h answers, and waits until the bridge
// has heard it.
func (r *rig) agent(tenantName, cluster string, h handler) *natslink.Agent {
	r.t.Helper()
	// The bridge listens first, or it would wait for a heartbeat.
	conn, err := r.pool.Acquire(context.Background(), tenantName)
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Release()
	instance := subjects.NewID('a')
	a, err := natslink.NewAgent(r.nats.Agent(r.t, tenantName, cluster), natslink.AgentConfig{
		Cluster: cluster, Instance: instance,
		Presence: func() subjects.Presence {
			return subjects.Presence{Version: "v1.2.3", Kubernetes: "v1.34.4", Reachable: true, Started: time.Now()}
		},
		Stream: stream.Config{Handler: func(s *stream.Stream) {
			head, err := readHead(s)
			if err != nil {
				select {
				case r.unread <- err:
				default:
				}
				return
			}
			h(head, s)
		}},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = a.Close() })
	r.eventually("the bridge hears the agent", func() bool {
		for _, in := range conn.Directory().Cluster(cluster).Instances {
			if in.Name == instance {
				return true
			}
		}
		return false
	})
	return a
}

// eventually waits for ok for at most 10 s.
func (r *rig) eventually(what string, ok func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			r.t.Fatalf("not within 10 s: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func readHead(s *stream.Stream) (*subjects.RequestHead, error) {
	prefix := make([]byte, subjects.HeadPrefixLen)
	if _, err := io.ReadFull(s, prefix); err != nil {
		return nil, err
	}
	n, err := subjects.HeadLen(prefix)
	if err != nil {
		return nil, err
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(s, b); err != nil {
		return nil, err
	}
	return subjects.ParseRequestHead(b)
}

func encodeHead(status int, length int64, header ...string) []byte {
	h := http.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Add(header[i], header[i+1])
	}
	b, err := subjects.AppendResponseHead(nil, &subjects.ResponseHead{Status: status, ContentLength: length, Header: h})
	if err != nil {
		panic(err)
	}
	return b
}

// reply answers with a body of known length.
func reply(s *stream.Stream, status int, body string, header ...string) {
	_ = s.WriteFinal(append(encodeHead(status, int64(len(body)), header...), body...))
}

// hello answers everything.
func hello(_ *subjects.RequestHead, s *stream.Stream) {
	reply(s, 200, "hello", "Content-Type", "text/plain")
}

// echoBody answers with the request's body, once it has all of it.
func echoBody(_ *subjects.RequestHead, s *stream.Stream) {
	b, err := io.ReadAll(s)
	if err != nil {
		return
	}
	reply(s, 200, string(b))
}

// outcome is how a request's body ended at an agent.
type outcome struct {
	n    int64
	code subjects.Code
	eof  bool
}

func drainBody(s *stream.Stream) outcome {
	n, err := io.Copy(io.Discard, s)
	return outcome{n: n, code: subjects.CodeOf(err), eof: err == nil}
}

func within[T any](t testing.TB, what string, d time.Duration, c <-chan T) T {
	t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case v := <-c:
		return v
	case <-timer.C:
		t.Fatalf("not within %v: %s", d, what)
		panic("unreachable")
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

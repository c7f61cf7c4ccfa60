package dial

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/subjects/natslink"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// broker is a real nats-server on TCP with TLS and on WebSocket without.
type broker struct {
	tcp, ws string // host:port
}

func startBroker(t *testing.T) *broker {
	t.Helper()
	return startBrokerWith(t, natsserver.WebsocketOpts{NoTLS: true})
}

func startBrokerWith(t *testing.T, ws natsserver.WebsocketOpts) *broker {
	t.Helper()
	ws.Host, ws.Port = "127.0.0.1", natsserver.RANDOM_PORT
	s, err := natsserver.NewServer(&natsserver.Options{
		Host: "127.0.0.1", Port: natsserver.RANDOM_PORT, NoSigs: true, NoLog: true,
		TLSConfig: serverTLS(), TLS: true, TLSTimeout: 5,
		Websocket: ws,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("broker not ready within 10 s")
	}
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	_, address, _ := strings.Cut(s.WebsocketURL(), "://")
	return &broker{tcp: s.Addr().String(), ws: address}
}

// identity is a certificate for 127.0.0.1 and example.com, and what verifies it.
var identity = sync.OnceValues(func() (tls.Certificate, *x509.CertPool) {
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return s.TLS.Certificates[0], pool
})

func serverTLS() *tls.Config {
	cert, _ := identity()
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}}
}

// writeIdentity writes the certificate and its key as PEM files.
func writeIdentity(t *testing.T, dir string) (cert, key string) {
	t.Helper()
	pair, _ := identity()
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, b []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	return write("tls.crt", "CERTIFICATE", pair.Certificate[0]), write("tls.key", "PRIVATE KEY", der)
}

func clientTLS() *tls.Config {
	_, roots := identity()
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
}

// web serves h with TLS and returns host:port.
func web(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.TLS = serverTLS()
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	s.StartTLS()
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s.Listener.Addr().String()
}

// raw accepts connections and hands each to serve, which returns before the
// connection is closed.
func raw(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			wg.Go(func() { serve(c); _ = c.Close() })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, c := range conns {
			_ = c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return l.Addr().String()
}

func silent(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// connect is what an agent does, with the change to its dialer.
func connect(t *testing.T, server string, change func(*Dialer)) (*nats.Conn, error) {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	d := &Dialer{Server: u, TLS: clientTLS()}
	if change != nil {
		change(d)
	}
	o := natslink.ConnectOptions{
		Servers: []string{d.URL()}, Dialer: d, UserJWT: func() (string, error) { return "", nil },
		SignNonce: func([]byte) ([]byte, error) { return nil, nil },
	}
	if !d.WebSocket() {
		o.TLS = d.TLS
	}
	nc, err := natslink.ConnectOnce(t.Context(), o)
	if cause := d.Err(); err != nil && cause != nil {
		err = cause
	}
	if err == nil {
		t.Cleanup(nc.Close)
	}
	return nc, err
}

// works sends a message of many frames there and back.
func works(t *testing.T, nc *nats.Conn) {
	t.Helper()
	sub, err := nc.SubscribeSync("x")
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Publish("x", []byte(strings.Repeat("y", 500<<10))); err != nil {
		t.Fatal(err)
	}
	if m, err := sub.NextMsg(10 * time.Second); err != nil || len(m.Data) != 500<<10 {
		t.Fatalf("a message: %v", err)
	}
}

// wantCause checks the cause of a failure, and what it says.
func wantCause(t *testing.T, err error, id cause.ID, want ...string) {
	t.Helper()
	if f := cause.Of(err); f == nil || f.Cause != id {
		t.Errorf("got %v, want a failure with cause %s", err, id)
	}
	wantFailure(t, err, want...)
}

func wantFailure(t *testing.T, err error, want ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("connected, want a failure that says %q", want)
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("got %q, want %q in it", err, w)
		}
	}
	if strings.ContainsAny(err.Error(), "\n\r\x1b") {
		t.Errorf("control characters in %q", err)
	}
	if len(err.Error()) > 800 {
		t.Errorf("%d bytes of reason: %.200s...", len(err.Error()), err)
	}
}

func mustParse(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

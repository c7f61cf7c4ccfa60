package tenant

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/internal/natstest"
	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/transport"
	"github.com/fairlead-io/fairlead/subjects/natslink/reach"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
	"github.com/fairlead-io/fairlead/test/harness/nginxtest"
	"github.com/fairlead-io/fairlead/test/harness/testca"
)

// forward is a forward proxy with a password. Whatever the host, it connects to the port
// on this machine.
type forward struct {
	password string
	asked    atomic.Int64 // requests that it let through

	mu    sync.Mutex
	conns []net.Conn
}

// start returns the proxy's address.
func (f *forward) start(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { f.serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		f.mu.Lock()
		for _, c := range f.conns {
			_ = c.Close()
		}
		f.mu.Unlock()
		wg.Wait()
	})
	return l.Addr().String()
}

func (f *forward) serve(c net.Conn) {
	defer c.Close()
	r := bufio.NewReader(c)
	req, err := http.ReadRequest(r)
	if err != nil {
		return
	}
	if req.Header.Get("Proxy-Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte(f.password)) {
		_, _ = io.WriteString(c, "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n")
		return
	}
	_, port, _ := net.SplitHostPort(req.Host)
	out, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		return
	}
	defer out.Close()
	f.mu.Lock()
	f.conns = append(f.conns, c, out)
	f.mu.Unlock()
	f.asked.Add(1)
	_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
	go func() { _, _ = io.Copy(out, r); _ = out.Close() }()
	_, _ = io.Copy(c, out)
}

// webServer stands in front of a broker's WebSocket, on the path /-/fairlead/. It asks
// for a client certificate and a header. First it answers 429, by a clock that is wrong. It
// passes on when it was asked.
func webServer(t *testing.T, s *natstest.Server, ca *testca.CA) (address string, asked <-chan time.Time) {
	to, err := url.Parse(strings.Replace(s.WebsocketURL(), "ws://", "http://", 1))
	if err != nil {
		t.Fatal(err)
	}
	var refused atomic.Int64
	times := make(chan time.Time, 100)
	broker := http.StripPrefix("/-/fairlead", httputil.NewSingleHostReverseProxy(to))
	w := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != "/-/fairlead/" || r.Header.Get("X-Token") != "open":
			w.WriteHeader(http.StatusForbidden)
		case refused.Add(1) == 1:
			times <- time.Now()
			w.Header().Set("Date", time.Now().Add(2*time.Hour).UTC().Format(http.TimeFormat))
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		default:
			times <- time.Now()
			broker.ServeHTTP(w, r)
		}
	}))
	w.TLS = &tls.Config{Certificates: []tls.Certificate{ca.Peer("web", "broker.test")}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool()}
	w.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	w.StartTLS()
	t.Cleanup(func() { w.CloseClientConnections(); w.Close() })
	return w.Listener.Addr().String(), times
}

// TestThroughTheNetworkOfAgents: a bridge behind a forward proxy reaches a broker behind a
// web server as an agent does: with a login, a client certificate, a header, and the wait
// that the web server asks for. Files that are wrong at first are read again.
func TestThroughTheNetworkOfAgents(t *testing.T) {
	s, ca := natstest.Start(t, "acme"), testca.New(t, "private")
	startAgent(t, s.Agent(t, "acme", "prod"), "prod", "a1")
	address, asked := webServer(t, s, ca)
	_, port, _ := net.SplitHostPort(address)
	f := &forward{password: "bridge:secret"}
	t.Setenv("HTTPS_PROXY", "http://"+f.start(t))
	dir := t.TempDir()
	write := func(name, content string) string {
		file := filepath.Join(dir, name)
		err := os.WriteFile(file+".new", []byte(content), 0o600)
		if err == nil {
			err = os.Rename(file+".new", file) // nobody reads a half of it
		}
		if err != nil {
			t.Fatal(err)
		}
		return file
	}
	cert, key := nginxtest.Certificate(t, ca.Peer("bridge", "bridge.test"))
	b, err := reach.Open(reach.Config{
		Servers: []string{"wss://broker.test:" + port + "/-/fairlead/"},
		Transport: transport.Config{
			CAFile: testca.WriteFile(t, ca), CertFile: write("tls.crt", string(cert)), KeyFile: write("tls.key", string(key)), HeaderFile: write("headers", "X-Token: open\n"),
		},
		ProxyCredentialsFile: write("proxy", "bridge:wrong"),
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	failures := make(chan *cause.Failure, 100)
	p := newPool(t, s, func(c *Config) {
		c.InProcess, c.Broker, c.OnFailure = nil, b, func(f *cause.Failure) { failures <- f }
	})
	done := reaching(t, p)
	wants := func(hop cause.Hop, id cause.ID) *cause.Failure {
		t.Helper()
		select {
		case f := <-failures:
			if f.Hop != hop || f.Cause != id {
				t.Fatalf("failure %s, want %s at %s", f, id, hop)
			}
			return f
		case <-time.After(20 * time.Second):
			t.Fatalf("no failure, want %s at %s", id, hop)
		}
		return nil
	}
	if f := wants(cause.Proxy, cause.ProxyAuthRequired); !strings.Contains(f.Cure(), filepath.Join(dir, "proxy")) {
		t.Errorf("the cure names no file: %s", f.Cure())
	}
	eventually.True(t, "readiness has the cause", func() bool {
		err := p.Ready()
		return err != nil && strings.Contains(err.Error(), "no connection to a broker: proxy: ") && strings.Contains(err.Error(), "[proxy-authentication-required]")
	})
	write("proxy", "bridge:secret")
	for f := range failures {
		if f.Cause == cause.RateLimited {
			break
		}
		if f.Cause != cause.ProxyAuthRequired {
			t.Fatal(f)
		}
	}
	eventually.True(t, "readiness says when the next attempt is", func() bool {
		err := p.Ready()
		return err == nil || strings.Contains(err.Error(), "the next attempt is at ")
	})
	<-done
	if n := len(asked); n != 2 {
		t.Fatalf("connected after %d handshakes, want 2", n)
	}
	if first, second := <-asked, <-asked; second.Sub(first) < time.Second {
		t.Errorf("the second handshake came %v after the first, want a second at least", second.Sub(first))
	}
	c := acquire(t, p, "acme")
	defer c.Release()
	eventually.True(t, "the agent is heard", func() bool { return c.Directory().Connected() == 1 })
	echo(t, c, "prod", "hello")
	if other := c.redialer.OtherClock(); other == nil || other.Ahead < time.Hour+59*time.Minute {
		t.Errorf("the clock of the other end is %v; want two hours ahead", other)
	}
	if f.asked.Load() == 0 {
		t.Error("the proxy was not used")
	}
}

// TestClockOfTheBroker: if the broker's clock, by a web server in front of it, is ahead by
// more than a user is valid, its refusal is explained by that.
func TestClockOfTheBroker(t *testing.T) {
	s := natstest.Start(t, "acme")
	wrong := natstest.Start(t, "acme")
	to, _ := url.Parse(strings.Replace(s.WebsocketURL(), "ws://", "http://", 1))
	front := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) },
		ModifyResponse: func(r *http.Response) error {
			r.Header.Set("Date", time.Now().Add(2*time.Hour).UTC().Format(http.TimeFormat))
			return nil
		},
	}
	w := httptest.NewServer(front)
	t.Cleanup(func() { w.CloseClientConnections(); w.Close() })
	p := newPool(t, s, func(c *Config) {
		c.Key = wrong.BridgeKey // as good as expired: the broker says the same
		c.InProcess, c.Broker = nil, natstest.Broker(t, strings.Replace(w.URL, "http", "ws", 1))
	})
	c := acquire(t, p, "acme")
	defer c.Release()
	eventually.True(t, "the refusal is explained", func() bool { return c.Refusal() != nil })
	if f := cause.Of(c.Refusal()); f.Cause != cause.ClockSkew || !strings.Contains(f.Got, "clock is about 2h0m0s behind") {
		t.Error(f)
	}
}

// TestAdmissionRateIsTold: a broker that has too many connections at once is not taken
// for one whose TLS is wrong.
func TestAdmissionRateIsTold(t *testing.T) {
	s := natstest.Start(t, "acme")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, `INFO {"tls_required":true,"version":"2.15.2","headers":true}`+"\r\n")
			_, _ = c.Read(make([]byte, 1024)) // the ClientHello
			_, _ = io.WriteString(c, "-ERR 'Connection throttling is active. Please try again later.'\r\n")
			_ = c.Close()
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	failures := make(chan *cause.Failure, 100)
	reaching(t, newPool(t, s, func(c *Config) {
		c.InProcess, c.Broker, c.OnFailure = nil, natstest.Broker(t, "tls://"+l.Addr().String()), func(f *cause.Failure) { failures <- f }
	}))
	select {
	case f := <-failures:
		if f.Cause != cause.RateLimited {
			t.Error(f)
		}
	case <-time.After(10 * time.Second):
		t.Error("no failure within 10 s")
	}
}

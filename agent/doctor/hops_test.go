package doctor_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/deploy/diagnosis"
	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/test/harness/freeport"
	"github.com/fairlead-io/fairlead/test/harness/testca"
)

func TestDNS(t *testing.T) {
	cfg := config(t, agenttest.NewBroker(t))
	cfg.Link.Servers = []string{"tls://no-such-host.invalid:4222"}
	wantFailure(t, examine(t, cfg), cause.DNS, "no-such-host.invalid")
}

func TestTCP(t *testing.T) {
	cfg := config(t, agenttest.NewBroker(t))
	cfg.Link.Servers = []string{"tls://" + freeport.AddressFor(t)}
	wantFailure(t, examine(t, cfg), cause.TCP, "refused")
}

// TestProxy: a proxy is asked in the agent's way, named without its password, and its
// refusal is shown.
func TestProxy(t *testing.T) {
	b := agenttest.NewBroker(t)
	for _, status := range []int{http.StatusProxyAuthRequired, http.StatusForbidden, http.StatusOK} {
		proxy := httptest.NewServer(connectTo(t, b.URL(), status))
		defer proxy.Close()
		via, _ := url.Parse(proxy.URL)
		via.User = url.UserPassword("joe", "hidden-word")
		t.Setenv("HTTPS_PROXY", via.String())
		cfg := config(t, b)
		cfg.Link.Servers = []string{"tls://broker.test:4222"}
		r := examine(t, cfg)
		text := table(r)
		if strings.Contains(text, "hidden-word") || strings.Contains(text, "joe") {
			t.Errorf("the proxy's user or password is shown:\n%s", text)
		}
		if status != http.StatusOK {
			wantFailure(t, r, cause.Proxy)
			continue
		}
		broker := r.Targets[0]
		if !r.OK || broker.Check(cause.Proxy).Facts["proxy"] != "proxy "+proxy.URL {
			t.Errorf("through a proxy:\n%s", text)
		}
		if c := broker.Check(cause.DNS); c.Status != diagnosis.NotUsed || !strings.Contains(c.Found, "left to the proxy") {
			t.Errorf("dns: %+v", c)
		}
	}
}

// connectTo is a proxy that leads everywhere to one server, or answers with a status.
func connectTo(t *testing.T, server string, status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if status != http.StatusOK {
			w.Header().Set("Proxy-Authenticate", "Basic")
			w.WriteHeader(status)
			return
		}
		out, err := net.Dial("tcp", strings.TrimPrefix(server, "tls://"))
		if err != nil {
			t.Error(err)
			return
		}
		defer out.Close()
		in, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer in.Close()
		_, _ = io.WriteString(in, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(out, in); _ = out.Close() }()
		_, _ = io.Copy(in, out)
	}
}

func TestTLS(t *testing.T) {
	b := agenttest.NewBroker(t)
	cfg := config(t, b)
	cfg.Link.Transport.CAFile = testca.WriteFile(t, testca.New(t, "another"))
	wantFailure(t, examine(t, cfg), cause.TLS, "certificate")

	b.Stop()
	expired := b.CA.Intermediate("expired", time.Now().Add(-time.Hour))
	b.Options.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{expired.Server()}}
	b.Start()
	wantFailure(t, examine(t, config(t, b)), cause.TLS, "expired")
}

// TestMissingCA: an attempt that fails before its first step tells nothing of the hops
// before the fault.
func TestMissingCA(t *testing.T) {
	cfg := config(t, agenttest.NewBroker(t))
	cfg.Link.Transport.CAFile = "/none/ca.crt"
	r := examine(t, cfg)
	if c := r.Targets[0].Failed(); c == nil || c.Hop != cause.TLS || !strings.Contains(c.Failure.Got, "/none/ca.crt") {
		t.Errorf("failed: %+v", c)
	}
	for _, hop := range []cause.Hop{cause.DNS, cause.TCP, cause.Proxy} {
		if c := r.Targets[0].Check(hop); c.Status != diagnosis.NotReached || c.Found != "not tried" {
			t.Errorf("%s: %+v", hop, c)
		}
	}
}

func TestWrongName(t *testing.T) {
	b := agenttest.NewBroker(t)
	proxy := httptest.NewServer(connectTo(t, b.URL(), http.StatusOK))
	defer proxy.Close()
	t.Setenv("HTTPS_PROXY", proxy.URL)
	cfg := config(t, b)
	cfg.Link.Servers = []string{"tls://elsewhere.test:4222"}
	wantFailure(t, examine(t, cfg), cause.TLS, "elsewhere.test")
}

func TestHTTPUpgrade(t *testing.T) {
	b := agenttest.NewBroker(t)
	web := httptest.NewUnstartedServer(http.NotFoundHandler())
	web.TLS = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{b.CA.Server()}}
	web.StartTLS()
	defer web.Close()
	cfg := config(t, b)
	cfg.Link.Servers = []string{"wss://" + web.Listener.Addr().String() + "/fairlead/"}
	r := examine(t, cfg)
	wantFailure(t, r, cause.HTTPUpgrade, "404")
	if c := r.Targets[0].Check(cause.TLS); c.Facts["issuer"] != "CN=broker" {
		t.Errorf("tls: %+v", c)
	}
}

func TestWebSocket(t *testing.T) {
	b := agenttest.NewBroker(t)
	b.WithWebSocket(true)
	cfg := config(t, b)
	cfg.Link.Servers = []string{b.Server.WebsocketURL()}
	r := examine(t, cfg)
	if c := r.Targets[0].Check(cause.HTTPUpgrade); !r.OK || c.Status != diagnosis.OK {
		t.Errorf("http-upgrade: %+v", c)
	}
	b.WithWebSocket(false)
	cfg.Link.Servers = []string{b.Server.WebsocketURL()}
	r = examine(t, cfg)
	if c := r.Targets[0].Check(cause.TLS); !r.OK || c.Status != diagnosis.NotUsed || len(c.Warnings) != 1 {
		t.Errorf("without TLS: %+v", c)
	}
}

func TestNATS(t *testing.T) {
	cfg := config(t, agenttest.NewBroker(t))
	web := agenttest.RawServer(t, func(c net.Conn) { _, _ = io.WriteString(c, "SSH-2.0-x\r\n"); _ = c.Close() })
	cfg.Link.Servers = []string{"tls" + strings.TrimPrefix(web, "http")}
	r := examine(t, cfg)
	if c := r.Targets[0].Failed(); c == nil || c.Hop != cause.NATS || r.ExitCode != diagnosis.Code(cause.NATS) {
		t.Errorf("not NATS: %+v", c)
	}
	c := r.Targets[0].Check(cause.TLS)
	if c.Status != diagnosis.NotReached || c.Found != "not reached: the broker greets before TLS" || len(c.Warnings) != 0 {
		t.Errorf("tls: %+v", c)
	}
}

func TestJWT(t *testing.T) {
	b := agenttest.NewBroker(t)
	cfg := config(t, b)
	cfg.Link.CredsFile = b.RefusedCreds()
	wantFailure(t, examine(t, cfg), cause.JWT)
	cfg.Link.CredsFile, _ = b.Creds(b.Agents, "prod", time.Now().Add(-time.Hour))
	wantFailure(t, examine(t, cfg), cause.JWT, "expired")

	cfg.Link.CredsFile, _ = b.Creds(b.Agents, "prod", time.Now().Add(3*24*time.Hour+time.Hour))
	r := examine(t, cfg)
	if w := r.Targets[0].Check(cause.JWT).Warnings; !r.OK || len(w) != 1 || !strings.Contains(w[0], "in 3 days") {
		t.Errorf("credentials that end soon: %q", w)
	}
}

func TestPermission(t *testing.T) {
	b := agenttest.NewBroker(t)
	cfg := config(t, b)
	cfg.Link.CredsFile, _ = b.Creds(b.Role("deaf", []string{"up.>"}, []string{"other"}), "prod", time.Time{})
	wantFailure(t, examine(t, cfg), cause.Permission, "subscribe to down.prod.")
	cfg.Link.CredsFile, _ = b.Creds(b.Role("mute", []string{"other"}, []string{"down.>"}), "prod", time.Time{})
	wantFailure(t, examine(t, cfg), cause.Permission, "publish to up.")
}

func table(r *diagnosis.Report) string {
	var text strings.Builder
	_ = r.WriteTable(&text, diagnosis.Style{})
	_ = r.WriteJSON(&text)
	return text.String()
}

// TestClientCertificate: one that ends soon is warned about.
func TestClientCertificate(t *testing.T) {
	cfg := config(t, agenttest.NewBroker(t))
	pair := testca.New(t, "ca").Client("agent", nil, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(5*24*time.Hour + time.Hour) })
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, key := filepath.Join(t.TempDir(), "c.crt"), filepath.Join(t.TempDir(), "c.key")
	agenttest.WriteFile(t, cert, string(testca.PEM(pair)))
	agenttest.WriteFile(t, key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	cfg.Link.Transport.CertFile, cfg.Link.Transport.KeyFile = cert, key
	r := examine(t, cfg)
	if w := r.Targets[0].Check(cause.TLS).Warnings; !strings.Contains(strings.Join(w, " "), "the client certificate in "+cert+" expires") || !r.OK {
		t.Errorf("warnings %q", w)
	}
}

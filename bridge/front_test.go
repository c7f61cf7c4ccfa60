package bridge

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/front"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

var loopbackProxies = front.Trusted{netip.MustParsePrefix("127.0.0.0/8")}

// The log names the caller, not the front proxy, and the API server still sees
// nothing of it.
func TestForwardedForIsLogged(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		proxies front.Trusted
		want    string
	}{
		"trusted": {loopbackProxies, "remote=198.51.100.1 "},
		"not":     {nil, "remote=127.0.0.1:"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, rigOptions{config: func(cfg *Config) { cfg.TrustedProxies = c.proxies }})
			got := make(chan http.Header, 1)
			r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
				got <- head.Header
				reply(s, 200, "ok")
			})
			req := r.request("GET", "/k8s/clusters/prod/x", nil)
			req.Header.Set("X-Forwarded-For", "203.0.113.7, 198.51.100.1")
			if res, _ := r.do(r.h1, req); res.StatusCode != 200 {
				t.Fatalf("status %d", res.StatusCode)
			}
			if h := <-got; h.Get("X-Forwarded-For") != "" {
				t.Errorf("the agent got X-Forwarded-For %q", h.Get("X-Forwarded-For"))
			}
			r.eventually("the request is logged with "+c.want, func() bool { return strings.Contains(r.log.String(), c.want) })
		})
	}
}

// behindTCPProxy sends a PROXY header, then speaks TLS.
func (r *rig) behindTCPProxy(header string) (*tls.Conn, error) {
	nc, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.WriteString(nc, header); err != nil {
		r.t.Fatal(err)
	}
	c := tls.Client(nc, &tls.Config{RootCAs: r.roots, ServerName: "127.0.0.1"})
	return c, c.Handshake()
}

const proxyHeader = "PROXY TCP4 192.0.2.1 192.0.2.2 7 8\r\n"

// A load balancer that speaks the PROXY protocol, and its health checks that do
// not, are served; the log has the caller.
func TestPROXYProtocol(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{config: func(cfg *Config) { cfg.TrustedProxies, cfg.ProxyProtocol = loopbackProxies, true }})
	r.agent("default", "prod", hello)
	for header, want := range map[string]string{proxyHeader: "remote=192.0.2.1:7 ", "": "remote=127.0.0.1:"} {
		c, err := r.behindTCPProxy(header)
		if err != nil {
			t.Fatalf("%q: handshake: %v", header, err)
		}
		_, _ = io.WriteString(c, "GET /k8s/clusters/prod/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+r.token+"\r\nConnection: close\r\n\r\n")
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || res.StatusCode != 200 {
			t.Fatalf("%q: %v, %v", header, res, err)
		}
		_ = res.Body.Close()
		r.eventually("the request is logged with "+want, func() bool { return strings.Contains(r.log.String(), want) })
	}
}

// Without the option the log says what the bytes are, at warn.
func TestUnexpectedPROXYHeader(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	if _, err := r.behindTCPProxy(proxyHeader); err == nil {
		t.Fatal("a connection with a PROXY header was taken")
	}
	r.eventually("a warning names the PROXY protocol", func() bool {
		log := r.log.String()
		return strings.Contains(log, "level=WARN") && strings.Contains(log, "PROXY protocol") && strings.Contains(log, "--proxy-protocol")
	})
}

func TestProxyProtocolNeedsTrustedProxies(t *testing.T) {
	t.Parallel()
	cfg := Config{Tenants: nil, ProxyProtocol: true}
	r := newRig(t, rigOptions{})
	cfg.Tenants, cfg.Authenticator = r.pool, r.server.cfg.Authenticator
	if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), "trusted proxies") {
		t.Errorf("PROXY protocol without trusted proxies: %v", err)
	}
}

package bridge

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/access/clientcert"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
	"github.com/fairlead-io/fairlead/test/harness/testca"
)

// certRig is a rig whose callers may have client certificates; each acts under its
// own name.
type certRig struct {
	*rig
	ca, proxies *testca.CA
	asking      atomic.Bool // the server asks for certificates
}

// asItself lets each caller do everything under its own name.
type asItself struct{ access.TokenClusters }

func (asItself) Authorize(_ context.Context, c *access.Caller, _ *access.Request) (*access.Decision, error) {
	return &access.Decision{As: &subjects.Identity{User: c.Name, Groups: c.Groups}}, nil
}

func (asItself) Visible(*access.Caller, subjects.ClusterRef) bool { return true }

func newCertRig(t *testing.T) *certRig {
	x := &certRig{ca: testca.New(t, "clients"), proxies: testca.New(t, "proxies")}
	x.asking.Store(true)
	certs, err := clientcert.New(clientcert.Config{CertificateAuthority: testca.WriteFile(t, x.ca), Forwarded: &clientcert.Forwarded{
		Header:  "Client-Cert",
		Proxies: clientcert.Proxies{CertificateAuthority: testca.WriteFile(t, x.proxies), CommonNames: []string{"front"}},
	}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(certs.Close)
	x.rig = newRig(t, rigOptions{config: func(c *Config) {
		withDomain(c)
		c.Authenticator = access.Chain{certs, c.Authenticator}
		c.Authorizer = asItself{}
		c.ClientCAs = func() *x509.CertPool {
			if !x.asking.Load() {
				return nil
			}
			return certs.ClientCAs()
		}
	}})
	// The agent says as whom it would act, and which headers about certificates it got.
	x.agent("acme", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		as := "agent"
		for _, e := range head.Extensions {
			if id, err := subjects.ParseIdentity(e.Value); e.ID == subjects.ExtensionIdentity && err == nil {
				as = fmt.Sprint(id.User, id.Groups)
			}
		}
		for k := range head.Header {
			if strings.Contains(strings.ToLower(k), "cert") {
				as += " and header " + k
			}
		}
		reply(s, 200, as)
	})
	return x
}

// with returns clients of both protocols that present a certificate whenever they are
// asked.
func (x *certRig) with(c tls.Certificate) map[string]*http.Client {
	return map[string]*http.Client{
		"HTTP/1.1": x.clientOf(x.presenting(c, false)), "HTTP/2.0": x.clientOf(x.presenting(c, true)),
	}
}

// presenting is the transport of such a client.
func (x *certRig) presenting(c tls.Certificate, h2 bool) *http.Transport {
	transport := x.transport(h2)
	transport.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &c, nil }
	x.t.Cleanup(transport.CloseIdleConnections)
	return transport
}

const prodPath = "/k8s/clusters/prod.acme/api"

// without returns a request without a token.
func (x *certRig) without(path string) *http.Request {
	req := x.request("GET", path, nil)
	req.Header.Del("Authorization")
	return req
}

func TestClientCertificate(t *testing.T) {
	t.Parallel()
	x := newCertRig(t)
	for protocol, c := range x.with(x.ca.Client("alice", []string{"ops"}, nil)) {
		hosted := x.without("/api")
		hosted.Host = "prod.acme.k8s.example.com"
		with := x.request("GET", prodPath, nil)
		spoofed := x.without(prodPath)
		spoofed.Header.Set("Client-Cert", x.header(x.ca.Client("root", nil, nil)))
		for name, req := range map[string]*http.Request{"path": x.without(prodPath), "host": hosted, "with a token": with, "with a header": spoofed} {
			if res, body := x.do(c, req); res.StatusCode != 200 || body != "alice[ops]" || res.Proto != protocol {
				t.Errorf("%s, %s: %s %d %q", protocol, name, res.Proto, res.StatusCode, body)
			}
		}
		socket := x.without(prodPath)
		socket.Header.Set("Origin", "https://evil.example")
		if res, body := x.do(c, socket); res.StatusCode != 401 || !strings.Contains(body, "a web page of another site") {
			t.Errorf("from another site: %d %s", res.StatusCode, body)
		}
	}
}

// TestBadClientCertificate: it breaks no handshake, matters not where there is a
// token, and is told where there is none.
func TestBadClientCertificate(t *testing.T) {
	t.Parallel()
	x := newCertRig(t)
	expired := x.ca.Client("alice", nil, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	for protocol, c := range x.with(expired) {
		if res, body := x.do(c, x.request("GET", prodPath, nil)); res.StatusCode != 200 || body != "admin[]" {
			t.Errorf("%s with a token: %d %q", protocol, res.StatusCode, body)
		}
		if res, body := x.do(c, x.without(prodPath)); res.StatusCode != 401 || !strings.Contains(body, "the client certificate has expired") {
			t.Errorf("%s: %d %q", protocol, res.StatusCode, body)
		}
	}
	if res, body := x.do(x.h1, x.without(prodPath)); res.StatusCode != 401 || !strings.Contains(body, "no bearer token") {
		t.Errorf("with neither: %d %q", res.StatusCode, body)
	}
}

func (x *certRig) header(c tls.Certificate) string {
	return ":" + base64.StdEncoding.EncodeToString(c.Certificate[0]) + ":"
}

// TestForwardedCertificate: through the proxy, and never on to the cluster.
func TestForwardedCertificate(t *testing.T) {
	t.Parallel()
	x := newCertRig(t)
	user := x.ca.Client("bob", nil, nil)
	for protocol, c := range x.with(x.proxies.Client("front", nil, nil)) {
		req := x.without(prodPath)
		req.Header.Set("Client-Cert", x.header(user))
		req.Header.Set("X-Ssl-Client-Verify", "SUCCESS")
		if res, body := x.do(c, req); res.StatusCode != 200 || body != "bob[]" {
			t.Errorf("%s: %d %q", protocol, res.StatusCode, body)
		}
		if res, body := x.do(c, x.request("GET", prodPath, nil)); res.StatusCode != 200 || body != "admin[]" {
			t.Errorf("%s, a token through the proxy: %d %q", protocol, res.StatusCode, body)
		}
	}
	req := x.request("GET", prodPath, nil)
	req.Header.Set("Client-Cert", x.header(user))
	if res, body := x.do(x.h1, req); res.StatusCode != 200 || body != "admin[]" {
		t.Errorf("past the proxy: %d %q", res.StatusCode, body)
	}
}

// TestResumedSession has the certificate of its first handshake.
func TestResumedSession(t *testing.T) {
	t.Parallel()
	x := newCertRig(t)
	cert := x.ca.Client("alice", nil, nil)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		transport := x.presenting(cert, false)
		c := x.clientOf(transport)
		transport.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		transport.TLSClientConfig.MaxVersion = version
		for i := range 3 {
			res, body := x.do(c, x.without(prodPath))
			if res.StatusCode != 200 || body != "alice[]" || res.TLS.DidResume != (i > 0) {
				t.Errorf("TLS %x, connection %d: %d %q, resumed %v", version, i, res.StatusCode, body, res.TLS.DidResume)
			}
			transport.CloseIdleConnections()
		}
	}
}

// TestAsksOnlyIfConfigured: browsers ask their users for nothing otherwise, and know
// which certificates are meant if so.
func TestAsksOnlyIfConfigured(t *testing.T) {
	t.Parallel()
	x := newCertRig(t)
	for _, asking := range []bool{true, false} {
		x.asking.Store(asking)
		var asked [][]byte
		config := &tls.Config{RootCAs: x.roots, GetClientCertificate: func(i *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			asked = i.AcceptableCAs
			return &tls.Certificate{}, nil
		}, NextProtos: []string{"h2"}}
		c, err := tls.Dial("tcp", x.addr, config)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.ConnectionState().NegotiatedProtocol; got != "h2" {
			t.Errorf("asking %v: protocol %q", asking, got)
		}
		_ = c.Close()
		if want := map[bool]int{true: 2}[asking]; len(asked) != want {
			t.Errorf("asking %v: for %d CAs, want %d", asking, len(asked), want)
		}
	}
}

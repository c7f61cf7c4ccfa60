package nginxtest

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/test/harness/testca"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// behind is what the server behind nginx saw of a request.
type behind struct {
	server  string // bridge or broker
	request *http.Request
}

// site starts a shipped site, and returns a client of it and what arrives behind it.
func site(t *testing.T, file string) (url string, client *http.Client, seen chan behind) {
	t.Helper()
	return siteWith(t, file, func(site string) string { return site })
}

// siteWith is site with a change.
func siteWith(t *testing.T, file string, change func(site string) string) (url string, client *http.Client, seen chan behind) {
	t.Helper()
	ca := testca.New(t, "test")
	seen = make(chan behind, 300)
	certificate := ca.Peer("server", "localhost") // nginx compares names only, not addresses
	backend := func(name string) string {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen <- behind{name, r}
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(http.StatusCreated)
		}))
		s.TLS = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}}
		s.StartTLS()
		t.Cleanup(s.Close)
		return s.Listener.Addr().String()
	}
	cert, key := Certificate(t, ca.Server())
	n := Start(t, Options{
		HTTP: change(Site(t, file, Place{Host: "127.0.0.1", Bridge: backend("bridge"), Broker: backend("broker"), Name: "localhost",
			CA: "ca.crt", Cert: "server.crt", Key: "server.key"})),
		Files: map[string][]byte{"ca.crt": ca.PEM(), "server.crt": cert, "server.key": key},
	})
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.Pool()}}
	t.Cleanup(transport.CloseIdleConnections)
	return "https://" + n.Address, &http.Client{Transport: transport}, seen
}

func get(t *testing.T, client *http.Client, url string, header ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp
}

// TestShippedSites: each request arrives at the right server as it was sent, with the
// caller's own address and nothing that the caller only claims.
func TestShippedSites(t *testing.T) {
	for file, prefix := range map[string]string{"fairlead.conf": "", "fairlead-subpath.conf": "/fairlead"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			url, client, seen := site(t, file)
			for path, want := range map[string]string{
				prefix + "/k8s/clusters/prod.acme/a%2Fb//c/%2e%2e/d?x=%26": "bridge",
				"/-/fairlead": "broker", "/-/fairlead/": "broker",
			} {
				resp := get(t, client, url+path, "X-Forwarded-For", "203.0.113.1", "Forwarded", "for=203.0.113.1",
					"X-Long", strings.Repeat("x", 20<<10), "Connection", "Upgrade", "Upgrade", "websocket")
				if resp.StatusCode != http.StatusCreated || resp.Header.Get("Location") != "/elsewhere" {
					t.Fatalf("%s: %s, Location %q", path, resp.Status, resp.Header.Get("Location"))
				}
				got := <-seen
				h := got.request.Header
				if got.server != want || got.request.RequestURI != path || got.request.Proto != "HTTP/1.1" {
					t.Errorf("%s: %s got %s %s, want %s", path, got.server, got.request.RequestURI, got.request.Proto, want)
				}
				if h.Get("X-Forwarded-For") != "127.0.0.1" || h.Get("Forwarded") != "" || got.request.Host != strings.TrimPrefix(url, "https://") {
					t.Errorf("%s: host %s, header %v", path, got.request.Host, h)
				}
				if h.Get("Upgrade") != "websocket" || h.Get("Connection") != "upgrade" {
					t.Errorf("%s: upgrade %q, connection %q", path, h.Get("Upgrade"), h.Get("Connection"))
				}
			}
			get(t, client, url+prefix+"/readyz")
			if h := (<-seen).request.Header; h["Connection"] != nil || h["Upgrade"] != nil {
				t.Errorf("an ordinary request: connection %q, upgrade %q", h["Connection"], h["Upgrade"])
			}
		})
	}
}

// TestAgentsAreAdmittedAtARate: after a burst, agents of one address are refused and
// told when to come again.
func TestAgentsAreAdmittedAtARate(t *testing.T) {
	t.Parallel()
	url, client, _ := site(t, "fairlead.conf")
	refused := 0
	for range 300 {
		switch resp := get(t, client, url+"/-/fairlead/"); {
		case resp.StatusCode == http.StatusTooManyRequests && resp.Header.Get("Retry-After") == "5":
			refused++
		case resp.StatusCode != http.StatusCreated || resp.Header.Get("Retry-After") != "":
			t.Fatalf("%s, Retry-After %q", resp.Status, resp.Header.Get("Retry-After"))
		}
	}
	if refused == 0 || refused > 99 {
		t.Errorf("%d of 300 were refused, want some of the 99 that are over the burst", refused)
	}
	if resp := get(t, client, url+"/readyz"); resp.StatusCode != http.StatusCreated {
		t.Errorf("a caller is refused as well: %s", resp.Status)
	}
}

// TestUnverifiedIsRefused: a bridge with another CA's certificate gets no request.
func TestUnverifiedIsRefused(t *testing.T) {
	t.Parallel()
	other := httptest.NewTLSServer(http.NotFoundHandler())
	defer other.Close()
	ca := testca.New(t, "test")
	cert, key := Certificate(t, ca.Server())
	address := other.Listener.Addr().(*net.TCPAddr).String()
	n := Start(t, Options{
		HTTP: Site(t, "fairlead.conf", Place{Host: "127.0.0.1", Bridge: address, Broker: address, Name: "localhost",
			CA: "ca.crt", Cert: "server.crt", Key: "server.key"}),
		Files: map[string][]byte{"ca.crt": ca.PEM(), "server.crt": cert, "server.key": key},
	})
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.Pool()}}
	defer transport.CloseIdleConnections()
	for _, path := range []string{"/readyz", "/-/fairlead/"} {
		resp := get(t, &http.Client{Transport: transport}, "https://"+n.Address+path)
		if resp.StatusCode != http.StatusBadGateway || !strings.Contains(n.Log(), "upstream SSL certificate verify error") {
			t.Errorf("%s: %s: %s", path, resp.Status, n.Log())
		}
	}
}

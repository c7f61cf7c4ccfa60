package upstream

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/agent/fault"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/test/harness/testca"
)

// TestNewClientCertificate: requests that are made after the client certificate has changed
// do not go over connections that the old one has authenticated, idle or in use, whatever
// the protocol; a watch goes on.
func TestNewClientCertificate(t *testing.T) {
	for _, protocols := range [][]string{{"h2", "http/1.1"}, {"http/1.1"}} {
		t.Run(strings.Join(protocols, " "), func(t *testing.T) {
			ca := testca.New(t, "kubernetes")
			again := make(chan bool)
			goesOn := sync.OnceFunc(func() { close(again) })
			defer goesOn() // the server waits for its handlers
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				_, _ = io.WriteString(w, r.TLS.PeerCertificates[0].Subject.CommonName+"\n")
				if r.URL.RawQuery == "watch=1" {
					_ = http.NewResponseController(w).Flush()
					<-again
					_, _ = io.WriteString(w, "again\n")
				}
			}))
			s.EnableHTTP2 = protocols[0] == "h2"
			s.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool(), NextProtos: protocols}
			s.StartTLS()
			s.TLS.NextProtos = protocols // httptest sets its own
			t.Cleanup(s.Close)

			dir := t.TempDir()
			present := func(name string) {
				c := ca.Client(name, nil, nil)
				der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
				if err != nil {
					t.Fatal(err)
				}
				agenttest.WriteFile(t, filepath.Join(dir, "cert"), string(testca.PEM(c)))
				agenttest.WriteFile(t, filepath.Join(dir, "key"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
			}
			present("one")
			config := agenttest.ConfigFor(s)
			config.TLSClientConfig = rest.TLSClientConfig{CAData: config.CAData, CertFile: dir + "/cert", KeyFile: dir + "/key"}
			u, err := New(config, agenttest.Discard())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(u.Close)

			ask := func(method, target, body, want string) {
				t.Helper()
				resp := send(t, u, method, target, body)
				defer resp.Body.Close()
				if b, err := io.ReadAll(resp.Body); err != nil || string(b) != want+"\n" {
					t.Errorf("%s %s: authenticated as %q, %v, want %s", method, target, b, err, want)
				}
			}
			all := func(want string) {
				t.Helper()
				ask("GET", "/api/v1/pods", "", want)
				ask("DELETE", "/api/v1/pods", "", want)
				ask("POST", "/api/v1/pods", "a body that still arrives", want)
			}
			all("one")
			watch := send(t, u, "GET", "/api/v1/pods?watch=1", "")
			defer watch.Body.Close()
			lines := bufio.NewReader(watch.Body)
			if line, err := lines.ReadString('\n'); err != nil || line != "one\n" {
				t.Errorf("watch: %q, %v", line, err)
			}
			present("two")
			agenttest.WaitFor(t, "the new certificate to be read", func() bool { return certificateOf(u) == "two" })
			all("two")
			goesOn()
			if line, err := lines.ReadString('\n'); err != nil || line != "again\n" {
				t.Errorf("the watch did not go on: %q, %v", line, err)
			}
			all("two")
		})
	}
}

// certificateOf is the name in the certificate that the agent's metrics show.
func certificateOf(u *Client) string {
	for _, f := range u.Files() {
		if f.Name == nameClientCert {
			f.Poll()
			return f.Status().Certificates[0].Subject
		}
	}
	return ""
}

// TestNewCA: an API server whose CA is no longer trusted gets nothing more, over connections
// that are open either.
func TestNewCA(t *testing.T) {
	for _, protocols := range [][]string{{"h2", "http/1.1"}, {"http/1.1"}} {
		t.Run(strings.Join(protocols, " "), func(t *testing.T) {
			old := testca.New(t, "kubernetes")
			s := httptest.NewUnstartedServer(http.NotFoundHandler())
			s.EnableHTTP2 = protocols[0] == "h2"
			s.TLS = &tls.Config{Certificates: []tls.Certificate{old.Server()}, NextProtos: protocols}
			s.StartTLS()
			s.TLS.NextProtos = protocols // httptest sets its own
			t.Cleanup(s.Close)
			file := testca.WriteFile(t, old)
			u, err := New(&rest.Config{Host: s.URL, TLSClientConfig: rest.TLSClientConfig{CAFile: file}}, agenttest.Discard())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(u.Close)
			_ = send(t, u, "GET", "/api/v1/pods", "").Body.Close()
			_ = send(t, u, "DELETE", "/api/v1/pods", "").Body.Close()
			testca.Rewrite(t, file, testca.New(t, "another"))
			agenttest.WaitFor(t, "the new CA to be read", func() bool {
				u.roots.Pool()
				return u.roots.Status().Certificates[0].Subject == "another"
			})
			for _, method := range []string{"GET", "DELETE"} {
				at, _ := u.Target("/api/v1/pods")
				req := (&http.Request{Method: method, URL: at, Host: u.Host(), Header: http.Header{}}).WithContext(t.Context())
				if _, err := u.RoundTrip(req, false); fault.In(err) == nil || fault.In(err).Code != subjects.CodeUntrusted {
					t.Errorf("%s: %v, want %v", method, err, subjects.CodeUntrusted)
				}
			}
		})
	}
}

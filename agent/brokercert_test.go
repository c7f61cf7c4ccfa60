package agent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/deploy/reload"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/transport"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
	"github.com/fairlead-io/fairlead/test/harness/testca"
)

// writePair replaces the certificate and key in dir by one of ca that is good until
// then.
func writePair(t *testing.T, dir string, ca *testca.CA, until time.Time) (certFile, keyFile string) {
	t.Helper()
	cert, err := ca.Certify(&x509.Certificate{
		Subject: pkix.Name{CommonName: "broker"}, DNSNames: []string{"agents.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: until, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	for file, b := range map[string][]byte{certFile: testca.PEM(cert), keyFile: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})} {
		if err := os.WriteFile(file+".new", b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

// TestBrokerCertificateReplaced: the broker's certificate expires while a stream runs, and
// a new connection fails for it. A fresh one of another CA, and that CA for the agent,
// are put into the files: no process restarts, the agent connects again, and the
// stream goes on without a byte lost.
func TestBrokerCertificateReplaced(t *testing.T) {
	for _, scheme := range []string{"tls", "wss"} {
		t.Run(scheme, func(t *testing.T) { t.Parallel(); replaceCertificate(t, scheme) })
	}
}

func replaceCertificate(t *testing.T, scheme string) {
	b := agenttest.NewBroker(t)
	old, fresh := testca.New(t, "old"), testca.New(t, "fresh")
	dir := t.TempDir()
	expires := time.Now().Add(8 * time.Second)
	certFile, keyFile := writePair(t, dir, old, expires)
	pair, err := reload.LoadKeyPair(certFile, keyFile, nil)
	if err != nil {
		t.Fatal(err)
	}
	url := serveWith(b, scheme, pair)
	next := make(chan int)
	s := agenttest.Kube(t, func(w http.ResponseWriter, r *http.Request) {
		for r.URL.Path == "/watch" {
			w.(http.Flusher).Flush()
			select {
			case n := <-next:
				_, _ = fmt.Fprintf(w, "%d ", n)
			case <-r.Context().Done():
				return
			}
		}
	})
	creds, user := b.Creds(b.Agents, "prod", time.Time{})
	bridge, seen := b.Bridge()
	caFile := testca.WriteFile(t, old)
	a, _, log := runAgent(t, Config{Servers: []string{url}, CredsFile: creds, Transport: transport.Config{CAFile: caFile, ServerName: "agents.test"}, LoadKube: loads(agenttest.ConfigFor(s))})
	agenttest.WaitFor(t, "presence", func() bool { return seen.Find(agenttest.IsUp) != "" })
	head, err := subjects.AppendRequestHead(nil, agenttest.Get("/watch"))
	if err != nil {
		t.Fatal(err)
	}
	limit, stop := context.WithTimeout(t.Context(), time.Minute) // no test may hang
	defer stop()
	watch, err := bridge.Open(limit, "prod", seen.Find(agenttest.IsUp), head, true)
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Close()
	if _, err := agenttest.AnswerHead(watch); err != nil {
		t.Fatal(err)
	}
	sent, got := "", ""
	step := func(n int) {
		t.Helper()
		select {
		case next <- n:
		case <-limit.Done():
			t.Fatalf("the watch has ended before %d", n)
		}
		for sent += fmt.Sprintf("%d ", n); len(got) < len(sent); {
			b, err := watch.Next()
			if got += string(b); err != nil {
				t.Fatalf("got %q, %v", got, err)
			}
		}
	}
	step(1)
	eventually.True(t, "the certificate's end", func() bool { return time.Now().After(expires) })
	step(2) // the connection does not end with its certificate
	drop(t, b, user)
	eventually.True(t, "the reason", func() bool {
		text, ok := brokerCheck(t, a)
		return !ok && strings.Contains(text, "certificate-expired")
	})
	writePair(t, dir, fresh, time.Now().Add(time.Hour))
	testca.Rewrite(t, caFile, fresh)
	eventually.True(t, "connected again", func() bool { _, ok := brokerCheck(t, a); return ok })
	step(3)
	if got != "1 2 3 " {
		t.Errorf("got %q\n%s", got, log)
	}
}

// serveWith makes the broker present the pair to those who ask for agents.test, and
// returns its URL.
func serveWith(b *agenttest.Broker, scheme string, pair *reload.KeyPair) string {
	b.Stop()
	b.Options.TLSConfig.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if hello.ServerName == "agents.test" {
			return pair.Certificate(), nil
		}
		return &b.Options.TLSConfig.Certificates[0], nil
	}
	b.Start()
	if scheme == "tls" {
		return b.URL()
	}
	b.WithWebSocket(true)
	return b.Server.WebsocketURL()
}

// drop ends the connection of a user at the broker.
func drop(t *testing.T, b *agenttest.Broker, user string) {
	t.Helper()
	z, err := b.Server.Connz(&natsserver.ConnzOptions{Username: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range z.Conns {
		if c.AuthorizedUser == user {
			if err := b.Server.DisconnectClientByID(c.Cid); err != nil {
				t.Fatal(err)
			}
		}
	}
}

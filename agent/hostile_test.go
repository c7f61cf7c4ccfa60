package agent

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/transport"
)

// TestStrangersWordsAreHarmless: a server that is not verified yet puts what it
// likes into its certificate. It is reported in one short line.
func TestStrangersWordsAreHarmless(t *testing.T) {
	b := agenttest.NewBroker(t)
	creds, _ := b.Creds(b.Agents, "prod", time.Time{})
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"\x1b[31mred\r\nbroker: ready", strings.Repeat("z", 10000)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go serveEach(l, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	_, port, _ := net.SplitHostPort(l.Addr().String())
	a, stop, log := runAgent(t, Config{Servers: []string{"wss://localhost:" + port}, CredsFile: creds, Transport: transport.Config{CAFile: b.CAFile}, LoadKube: loads(agenttest.ConfigFor(agenttest.Kube(t, nil)))})
	agenttest.WaitFor(t, "the reason", func() bool { text, _ := brokerCheck(t, a); return strings.Contains(text, "certificate-wrong-name") })
	text, _ := brokerCheck(t, a)
	if !strings.Contains(text, "?[31mred??broker: ready") || strings.ContainsFunc(text, unicode.IsControl) || len(text) > 1200 {
		t.Errorf("%d bytes of readiness: %q", len(text), text)
	}
	stop()
	if len(log.String()) > 4000 {
		t.Errorf("%d bytes of log", len(log.String()))
	}
}

// serveEach accepts connections until l is closed, and closes each after serve.
func serveEach(l net.Listener, serve func(net.Conn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() { serve(c); _ = c.Close() }()
	}
}

// TestHalfAHandshake: a server that switches protocols to what is no WebSocket
// is not left holding the connection. The query of its URL is not shown anywhere.
func TestHalfAHandshake(t *testing.T) {
	b := agenttest.NewBroker(t)
	creds, _ := b.Creds(b.Agents, "prod", time.Time{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ended := make(chan struct{}, 100)
	go serveEach(l, func(c net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\nConnection: Upgrade\r\n\r\n")
			_, _ = io.Copy(io.Discard, c)
			ended <- struct{}{}
		}
	})
	a, stop, log := runAgent(t, Config{
		Servers: []string{"ws://" + l.Addr().String() + "/x?token=secret"}, CredsFile: creds, LoadKube: loads(agenttest.ConfigFor(agenttest.Kube(t, nil))),
	})
	for range 3 {
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			t.Fatal("a connection is held that is of no use")
		}
	}
	text, _ := brokerCheck(t, a)
	stop()
	if strings.Contains(text+log.String(), "secret") || !strings.Contains(text, "/x?xxxxx") {
		t.Errorf("readiness: %s\nlog:\n%s", text, log)
	}
}

// TestLossDuringRotation: while new credentials are tried at a server that
// says nothing, the loss of the connection in use is noticed.
func TestLossDuringRotation(t *testing.T) {
	b := agenttest.NewBroker(t)
	first, _ := b.Creds(b.Agents, "prod", time.Time{})
	second, secondUser := b.Creds(b.Agents, "prod", time.Time{})
	mounted := newSecret(t, agenttest.ReadFile(t, first))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var arrived atomic.Int32
	inUse := make(chan net.Conn, 1)
	go serveEach(l, func(c net.Conn) {
		switch arrived.Add(1) {
		case 1:
			inUse <- c
		case 2: // kept waiting
			_, _ = io.Copy(io.Discard, c)
			return
		}
		target, _ := url.Parse(b.URL())
		out, err := net.Dial("tcp", target.Host)
		if err != nil {
			return
		}
		go func() { _, _ = io.Copy(out, c); _ = out.Close() }()
		_, _ = io.Copy(c, out)
	})
	a, _, log := runAgent(t, Config{Servers: []string{"tls://" + l.Addr().String()}, CredsFile: mounted.file(), Transport: transport.Config{CAFile: b.CAFile}, LoadKube: loads(agenttest.ConfigFor(agenttest.Kube(t, nil)))})
	agenttest.WaitFor(t, "connected", func() bool { _, ok := brokerCheck(t, a); return ok })
	mounted.set(agenttest.ReadFile(t, second))
	agenttest.WaitFor(t, "the rotation hangs", func() bool { return arrived.Load() == 2 })
	began := time.Now()
	_ = (<-inUse).Close()
	agenttest.WaitFor(t, "the loss", func() bool { return strings.Contains(log.String(), "connection to broker lost") })
	agenttest.WaitFor(t, "connected again", func() bool { return strings.Contains(b.Users(), secondUser) })
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("connected again after %s", took)
	}
}

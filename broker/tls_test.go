package broker

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/broker/keys"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// TestCertificateReload: a new certificate is presented on both listeners
// without a restart, and connections made before stay.
func TestCertificateReload(t *testing.T) {
	l := newLayout(t)
	b := startNode(t, l, nil)
	before := mustConnect(t, l, b.ClientURL(), agentCreds(t, l, "acme", "prod"))
	serial := func(url string) string {
		nc := mustConnect(t, l, url, agentCreds(t, l, "acme", "prod"))
		defer nc.Close()
		state, err := nc.TLSConnectionState()
		if err != nil {
			t.Fatal(err)
		}
		return state.PeerCertificates[0].SerialNumber.String()
	}
	first := serial(b.ClientURL())
	if _, err := l.IssueServerCertificate(); err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{b.ClientURL(), b.WebsocketURL()} {
		eventually.Nil(t, "the new certificate at "+url, func() error {
			if serial(url) == first {
				return errors.New("still the old one")
			}
			return nil
		})
	}
	if err := before.Flush(); err != nil {
		t.Errorf("a connection from before was cut: %v", err)
	}
}

func TestTLSIsVerified(t *testing.T) {
	l := newLayout(t)
	b := startNode(t, l, nil)
	other := newLayout(t)
	_, err := connect(t, other, b.ClientURL(), agentCreds(t, l, "acme", "prod"))
	if err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a client that trusts another CA: %v", err)
	}
	plain, err := nats.Connect(strings.Replace(b.ClientURL(), "tls://", "nats://", 1),
		nats.UserCredentialBytes(agentCreds(t, l, "acme", "prod")), nats.Timeout(patience))
	if err == nil {
		plain.Close()
		t.Error("a client that trusts nobody but the system's CAs connected")
	}
}

// TestWebsocketBehindProxy: with WebsocketPlain a TLS-terminating proxy in
// front needs no certificate of the broker's.
func TestWebsocketPlain(t *testing.T) {
	l := newLayout(t)
	b := startNode(t, l, func(c *Config) { c.WebsocketPlain = true })
	if !strings.HasPrefix(b.WebsocketURL(), "ws://") {
		t.Fatalf("listens on %s", b.WebsocketURL())
	}
	nc, err := nats.Connect(b.WebsocketURL(), nats.UserCredentialBytes(agentCreds(t, l, "acme", "prod")),
		nats.NoReconnect(), nats.ProxyPath("/-/fairlead/"), nats.Timeout(patience))
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
}

// TestRoutesNeedACertificate: a peer without a certificate of the nodes' CA cannot
// join, nor can it hear anything.
func TestRoutesNeedACertificate(t *testing.T) {
	l, other := newLayout(t), newLayout(t)
	b := startNode(t, l, func(c *Config) { c.RoutesListen = "127.0.0.1:0" })
	pair := func(l *keys.Layout) []tls.Certificate {
		p, err := tls.LoadX509KeyPair(l.ServerCertFile(), l.ServerKeyFile())
		if err != nil {
			t.Fatal(err)
		}
		return []tls.Certificate{p}
	}
	join := func(certs []tls.Certificate) error {
		conn, err := net.Dial("tcp", b.RoutesAddr())
		if err != nil {
			return err
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(patience))
		client := tls.Client(conn, &tls.Config{RootCAs: roots(t, l), ServerName: "localhost", Certificates: certs})
		if err := client.Handshake(); err != nil {
			return err
		}
		if _, err := client.Write([]byte("PING\r\n")); err != nil {
			return err
		}
		// With TLS 1.3 a refusal arrives with the first read.
		_, err = client.Read(make([]byte, 1))
		return err
	}
	for name, certs := range map[string][]tls.Certificate{"none": nil, "of another CA": pair(other)} {
		if err := join(certs); err == nil || errors.Is(err, io.EOF) || !strings.Contains(err.Error(), "tls:") {
			t.Errorf("with a certificate %s: %v, want a refusal in the handshake", name, err)
		}
	}
	if err := join(pair(l)); err != nil && strings.Contains(err.Error(), "tls:") {
		t.Errorf("with a certificate of the CA: %v", err)
	}
}

// TestNodeOfAnotherCA: a whole node of the same operator with certificates of
// another CA does not join.
func TestNodeOfAnotherCA(t *testing.T) {
	l, other := newLayout(t), newLayout(t)
	first := startNode(t, l, func(c *Config) { c.Name, c.RoutesListen = "first", "127.0.0.1:0" })
	stranger := startNode(t, l, func(c *Config) {
		c.Name, c.RoutesListen = "stranger", "127.0.0.1:0"
		c.ResolverDir = t.TempDir()
		c.TLSCert, c.TLSKey, c.TLSCA = other.ServerCertFile(), other.ServerKeyFile(), other.CAFile()
		c.Routes = []string{"tls://" + first.RoutesAddr()}
	})
	friend := startNode(t, l, func(c *Config) {
		c.Name, c.RoutesListen = "friend", "127.0.0.1:0"
		c.ResolverDir = t.TempDir()
		c.Routes = []string{"tls://" + first.RoutesAddr()}
	})
	eventually.Nil(t, "the friend to join", func() error {
		if friend.Routes() == 0 {
			return errors.New("no routes")
		}
		return nil
	})
	if n := stranger.Routes(); n != 0 {
		t.Errorf("the stranger has %d routes", n)
	}
}

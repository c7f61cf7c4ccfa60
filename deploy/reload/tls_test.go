package reload

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/test/harness/testca"
)

// issue writes a certificate of a CA for 127.0.0.1, good for 1000 hours, and its key.
func issue(t *testing.T, ca *testca.CA, name, certFile, keyFile string) {
	t.Helper()
	cert, err := ca.Certify(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotBefore: time.Unix(0, 0), NotAfter: time.Now().Add(1000 * time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	})
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	write(t, certFile, testca.PEM(cert))
	write(t, keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}

func write(t *testing.T, file string, b []byte) {
	t.Helper()
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// handshake returns the names that each side saw of the other.
func handshake(server, client *tls.Config) (serverName, clientName string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", err
	}
	defer l.Close()
	b, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return "", "", err
	}
	defer b.Close()
	a, err := l.Accept()
	if err != nil {
		return "", "", err
	}
	defer a.Close()
	client = client.Clone()
	client.ServerName = "127.0.0.1"
	s, c := tls.Server(a, server), tls.Client(b, client)
	failed := make(chan error, 1)
	go func() { failed <- s.Handshake() }()
	err = c.Handshake()
	serverErr := <-failed
	if err == nil {
		err = serverErr
	}
	if err != nil {
		return "", "", err
	}
	serverName = c.ConnectionState().PeerCertificates[0].Subject.CommonName
	if peers := s.ConnectionState().PeerCertificates; len(peers) > 0 {
		clientName = peers[0].Subject.CommonName
	}
	return serverName, clientName, nil
}

func TestTLSFilesAreReread(t *testing.T) {
	inBubble(t, func(t *testing.T, x *fixture) {
		cert, key, ca := x.path("tls.crt"), x.path("tls.key"), x.path("ca.crt")
		one, two := testca.New(t, "one"), testca.New(t, "two")
		issue(t, one, "first", cert, key)
		write(t, ca, one.PEM())

		pair, err := LoadKeyPair(cert, key, x.log())
		x.do(err)
		pool, err := LoadCertPool(ca, x.log())
		x.do(err)
		server := ServerTLS(pair)
		server.ClientAuth = tls.RequireAnyClientCert
		want := func(why, want string) {
			t.Helper()
			s, c, err := handshake(server, ClientTLS(pool, pair))
			if err != nil || s != want || c != want {
				t.Errorf("%s: server %q, client %q, error %v; want both %q", why, s, c, err, want)
			}
		}
		// The files' times are in the future of the bubble's clock: a change is
		// one poll sees it and another applies it.
		poll := func() {
			for range 2 {
				time.Sleep(PollInterval)
				pair.Certificate()
				pool.Pool()
			}
		}
		want("at first", "first")

		// A key that does not fit, as half-way through a renewal.
		good, err := os.ReadFile(key)
		x.do(err)
		write(t, key, []byte("broken"))
		write(t, ca, []byte("broken"))
		poll()
		want("with broken files", "first")
		poll()
		want("with broken files", "first")
		x.wantLogged("once for each file", 0, 2)
		if strings.Contains(x.logged.String(), "PRIVATE") {
			t.Error("a key was logged")
		}
		write(t, key, good)
		issue(t, two, "second", cert, key)
		write(t, ca, two.PEM())
		want("before a poll is due", "first")
		poll()
		want("after the change", "second")
		if !bytes.Equal(pool.PEM(), two.PEM()) {
			t.Error("PEM is not the file's content")
		}
	})
}

func TestHandshakesThatMustFail(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	otherCert, otherKey := filepath.Join(dir, "c.crt"), filepath.Join(dir, "c.key")
	ca := filepath.Join(dir, "ca.crt")
	one, two := testca.New(t, "one"), testca.New(t, "two")
	issue(t, one, "server", cert, key)
	issue(t, two, "other", otherCert, otherKey)
	write(t, ca, one.PEM())
	pair, err := LoadKeyPair(cert, key, discard())
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := LoadKeyPair(otherCert, otherKey, discard())
	if err != nil {
		t.Fatal(err)
	}
	pool, err := LoadCertPool(ca, discard())
	if err != nil {
		t.Fatal(err)
	}
	if s, c, err := handshake(ServerTLS(pair), ClientTLS(pool, nil)); err != nil || s != "server" || c != "" {
		t.Errorf("without a client certificate: %q %q %v", s, c, err)
	}
	if _, _, err := handshake(ServerTLS(foreign), ClientTLS(pool, nil)); err == nil {
		t.Error("a server certificate of another CA was accepted")
	}
	old := ClientTLS(pool, nil)
	old.MinVersion, old.MaxVersion = tls.VersionTLS11, tls.VersionTLS11
	if _, _, err := handshake(ServerTLS(pair), old); err == nil {
		t.Error("TLS 1.1 was accepted")
	}
}

func TestBadTLSFilesAreNamed(t *testing.T) {
	dir := t.TempDir()
	empty, half := filepath.Join(dir, "empty"), filepath.Join(dir, "half")
	write(t, empty, nil)
	write(t, half, append(testca.New(t, "x").PEM(), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"...))
	keyFile := filepath.Join(dir, "key")
	issue(t, testca.New(t, "x"), "y", filepath.Join(dir, "crt"), keyFile)
	for file, want := range map[string]string{
		empty: "no PEM certificate", half: "certificate 2", keyFile: "PRIVATE KEY", filepath.Join(dir, "none"): "no such file",
	} {
		if _, err := LoadCertPool(file, discard()); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), file) {
			t.Errorf("CA %s: got %v, want %q in it and the file's name", file, err, want)
		}
	}
	if _, err := LoadKeyPair(empty, empty, discard()); err == nil || !strings.Contains(err.Error(), empty) {
		t.Errorf("got %v", err)
	}
}

package reload

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority is a CA for one test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Unix(0, 0), NotAfter: time.Now().Add(1000 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key}
}

func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// issue writes a certificate for 127.0.0.1 and its key.
func (a *authority) issue(t *testing.T, name, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Unix(0, 0), NotAfter: time.Now().Add(1000 * time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
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
		one, two := newAuthority(t, "one"), newAuthority(t, "two")
		one.issue(t, "first", cert, key)
		write(t, ca, one.pem())

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
		two.issue(t, "second", cert, key)
		write(t, ca, two.pem())
		want("before a poll is due", "first")
		poll()
		want("after the change", "second")
		if !bytes.Equal(pool.PEM(), two.pem()) {
			t.Error("PEM is not the file's content")
		}
	})
}

func TestHandshakesThatMustFail(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	otherCert, otherKey := filepath.Join(dir, "c.crt"), filepath.Join(dir, "c.key")
	ca := filepath.Join(dir, "ca.crt")
	one, two := newAuthority(t, "one"), newAuthority(t, "two")
	one.issue(t, "server", cert, key)
	two.issue(t, "other", otherCert, otherKey)
	write(t, ca, one.pem())
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
	write(t, half, append(newAuthority(t, "x").pem(), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"...))
	keyFile := filepath.Join(dir, "key")
	newAuthority(t, "x").issue(t, "y", filepath.Join(dir, "crt"), keyFile)
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

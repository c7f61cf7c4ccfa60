package transport

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
	"github.com/fairlead-io/fairlead/test/harness/testca"
)

// handshake connects to a server with this certificate, which asks for one of clients
// if it has CAs. It returns the name of the client's.
func handshake(t *testing.T, s *Source, server tls.Certificate, clients *x509.CertPool, host string) (client string, err error) {
	t.Helper()
	config, err := s.TLS()
	if err != nil {
		return "", err
	}
	if config.ServerName == "" {
		config.ServerName = host
	}
	accepting := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{server}}
	if clients != nil {
		accepting.ClientAuth, accepting.ClientCAs = tls.RequireAndVerifyClientCert, clients
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", accepting)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
			err = conn.(*tls.Conn).Handshake()
			if peer := conn.(*tls.Conn).ConnectionState().PeerCertificates; len(peer) > 0 {
				client = peer[0].Subject.CommonName
			}
			_ = conn.Close()
		}
		accepted <- err
	}()
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: 10 * time.Second}, "tcp", l.Addr().String(), config)
	if err == nil {
		defer c.Close()
	}
	if refused := <-accepted; err == nil {
		err = refused
	}
	return client, err
}

// TestCAs: those of the file are used instead of the system's, or besides them, and a
// new file is used by the next connection.
func TestCAs(t *testing.T) {
	ours, system, later := testca.New(t, "ours"), testca.New(t, "system"), testca.New(t, "later")
	t.Setenv("SSL_CERT_FILE", testca.WriteFile(t, system)) // read once in a process: no other test here needs it
	t.Setenv("SSL_CERT_DIR", t.TempDir())
	file := filepath.Join(t.TempDir(), "ca.crt")
	instead, besides, alone := Open(Config{CAFile: file}, nil), Open(Config{CAFile: file, AddSystemCAs: true}, nil), Open(Config{}, nil)
	if _, err := instead.TLS(); cause.Of(err) == nil || cause.Of(err).Cause != cause.LocalFile || !strings.Contains(err.Error(), "ca: ") {
		t.Errorf("a missing file: %v", err)
	}
	if err := os.WriteFile(file, ours.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	check := func(name string, s *Source, ca *testca.CA, good bool) {
		t.Helper()
		if _, err := handshake(t, s, ca.Server(), nil, "127.0.0.1"); (err == nil) != good {
			t.Errorf("%s: %v", name, err)
		}
	}
	check("instead, ours", instead, ours, true)
	check("instead, system", instead, system, false)
	check("besides, ours", besides, ours, true)
	check("besides, system", besides, system, true)
	check("alone, ours", alone, ours, false)
	check("alone, system", alone, system, true)
	testca.Rewrite(t, file, later)
	eventually.True(t, "the new CA", func() bool { _, err := handshake(t, instead, later.Server(), nil, "127.0.0.1"); return err == nil })
	eventually.True(t, "the new CA besides the system's", func() bool { _, err := handshake(t, besides, later.Server(), nil, "127.0.0.1"); return err == nil })
	check("the old CA", instead, ours, false)
}

// TestClientCertificate: it is presented when it is asked for, may come later, and is
// read again when it changes.
func TestClientCertificate(t *testing.T) {
	ca, clients := testca.New(t, "servers"), testca.New(t, "clients")
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	s := Open(Config{CAFile: testca.WriteFile(t, ca), CertFile: certFile, KeyFile: keyFile}, nil)
	if _, err := s.TLS(); cause.Of(err) == nil || cause.Of(err).Cause != cause.LocalFile || !strings.Contains(err.Error(), "client-cert: ") {
		t.Errorf("missing files: %v", err)
	}
	write := func(name string) {
		t.Helper()
		cert := clients.Client(name, nil, nil)
		key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
		if err != nil {
			t.Fatal(err)
		}
		for file, text := range map[string][]byte{certFile: testca.PEM(cert), keyFile: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})} {
			if err := os.WriteFile(file, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	write("first")
	if name, err := handshake(t, s, ca.Server(), clients.Pool(), "127.0.0.1"); err != nil || name != "first" {
		t.Errorf("got %q, %v", name, err)
	}
	if name, err := handshake(t, s, ca.Server(), nil, "127.0.0.1"); err != nil || name != "" {
		t.Errorf("not asked for: got %q, %v", name, err)
	}
	write("second")
	eventually.True(t, "the new certificate", func() bool {
		name, _ := handshake(t, s, ca.Server(), clients.Pool(), "127.0.0.1")
		return name == "second"
	})
}

// TestServerName: the name that is given counts, not that of the URL.
func TestServerName(t *testing.T) {
	ca := testca.New(t, "ca")
	file := testca.WriteFile(t, ca)
	named := ca.Peer("inner", "inner.example")
	if _, err := handshake(t, Open(Config{CAFile: file}, nil), named, nil, "localhost"); err == nil {
		t.Error("a certificate for another name is accepted")
	}
	if _, err := handshake(t, Open(Config{CAFile: file, ServerName: "inner.example"}, nil), named, nil, "127.0.0.1"); err != nil {
		t.Error(err)
	}
}

// TestTLSVersion: at least 1.2.
func TestTLSVersion(t *testing.T) {
	config, err := Open(Config{}, nil).TLS()
	if err != nil || config.MinVersion != tls.VersionTLS12 || config.InsecureSkipVerify {
		t.Errorf("got %+v, %v", config, err)
	}
}

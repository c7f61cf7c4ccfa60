package agent

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"

	"github.com/fairlead-io/fairlead/subjects"
)

// ca is a certificate authority of its own for each test.
type ca struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newCA(t testing.TB, name string) *ca {
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
	return &ca{cert, key}
}

func (c *ca) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.cert.Raw})
}

// issue returns a certificate for 127.0.0.1 and broker.test.
func (c *ca) issue(t testing.TB, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Unix(0, 0), NotAfter: time.Now().Add(1000 * time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"broker.test"},
	}, c.cert, &key.PublicKey, c.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestChangedCAIsTrusted(t *testing.T) {
	one, two := newCA(t, "one"), newCA(t, "two")
	var current atomic.Pointer[tls.Certificate]
	cert := one.issue(t, "server")
	current.Store(&cert)
	s := server(t, true, func(http.ResponseWriter, *http.Request) {})
	s.TLS.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return &tls.Config{Certificates: []tls.Certificate{*current.Load()}, NextProtos: []string{"h2", "http/1.1"}}, nil
	}
	file := filepath.Join(t.TempDir(), "ca.crt")
	writeFile(t, file, string(one.pem()))
	p := newPair(t, &rest.Config{Host: s.URL, TLSClientConfig: rest.TLSClientConfig{CAFile: file}})
	if h, _ := p.do(t, get("/"), nil); h.Status != 200 {
		t.Fatalf("got %d", h.Status)
	}
	// The API server's certificate is renewed under another CA; the agent's
	// old connections go.
	cert = two.issue(t, "server")
	current.Store(&cert)
	s.CloseClientConnections()
	waitFor(t, "the new certificate is refused", func() bool {
		st := p.open(t, get("/"), nil, true)
		_, err := io.Copy(io.Discard, st)
		return subjects.CodeOf(err) == subjects.CodeUntrusted
	})
	writeFile(t, file, string(two.pem()))
	waitFor(t, "the new CA is read", func() bool {
		st := p.open(t, get("/"), nil, true)
		h, err := answerHead(st)
		return err == nil && h.Status == 200
	})
}

func TestChangedTokenIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "token")
		writeFile(t, file, "one\n")
		b, err := newBearerSource(&transport.Config{BearerTokenFile: file})
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, file, "two\n")
		if got := b.header()[0]; got != "Bearer one" {
			t.Errorf("got %q; the file is looked at once a minute", got)
		}
		time.Sleep(time.Minute)
		if got := b.header()[0]; got != "Bearer two" {
			t.Errorf("got %q", got)
		}
		_ = os.Remove(file)
		time.Sleep(time.Minute)
		if got := b.header()[0]; got != "Bearer two" {
			t.Errorf("got %q; a lost file leaves the token", got)
		}
	})
}

func TestCredentialsOfEveryKind(t *testing.T) {
	s := server(t, true, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s|%s", r.Header.Get("Authorization"), r.Header.Get("Impersonate-User"))
	})
	plugin := filepath.Join(t.TempDir(), "plugin")
	writeFile(t, plugin, `#!/bin/sh
echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"from-plugin"}}'
`)
	if err := os.Chmod(plugin, 0o700); err != nil {
		t.Fatal(err)
	}
	caFile := filepath.Join(t.TempDir(), "ca.crt")
	writeFile(t, caFile, string(configFor(s).CAData))
	for user, want := range map[string]string{
		"token: abc":                                "Bearer abc|",
		"username: u\n    password: p":              "Basic dTpw|",
		"token: abc\n    as: system:serviceaccount": "Bearer abc|system:serviceaccount",
		"exec:\n      apiVersion: client.authentication.k8s.io/v1\n      interactiveMode: Never\n      command: " + plugin: "Bearer from-plugin|",
	} {
		file := filepath.Join(t.TempDir(), "kubeconfig")
		writeFile(t, file, fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: c
contexts:
- name: c
  context: {cluster: c, user: u}
- name: other
  context: {cluster: none, user: u}
clusters:
- name: c
  cluster: {server: %q, certificate-authority: %q}
users:
- name: u
  user:
    %s
`, s.URL, caFile, user))
		config, err := LoadKube(file, "")
		if err != nil {
			t.Fatal(err)
		}
		p := newPair(t, config)
		if _, b := p.do(t, get("/"), nil); string(b) != want {
			t.Errorf("user %q: API server saw %q, want %q", user, b, want)
		}
		if _, err := LoadKube(file, "none"); err == nil || !strings.Contains(err.Error(), "none") {
			t.Errorf("unknown context: got %v", err)
		}
	}
}

func TestExecPluginThatFails(t *testing.T) {
	s := server(t, true, func(http.ResponseWriter, *http.Request) { t.Error("sent without credentials") })
	config := configFor(s)
	file := filepath.Join(t.TempDir(), "kubeconfig")
	caFile := filepath.Join(t.TempDir(), "ca.crt")
	writeFile(t, caFile, string(config.CAData))
	writeFile(t, file, fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: c
contexts: [{name: c, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: %q, certificate-authority: %q}}]
users: [{name: u, user: {exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: /bin/false}}}]
`, s.URL, caFile))
	config, err := LoadKube(file, "")
	if err != nil {
		t.Fatal(err)
	}
	wantReset(t, newPair(t, config).open(t, post("/", 0), nil, true), subjects.CodeUnreachable)
}

func TestUnsafeUpstreamsAreRefused(t *testing.T) {
	for want, config := range map[string]*rest.Config{
		"insecure-skip-tls-verify": {Host: "https://a.example", TLSClientConfig: rest.TLSClientConfig{Insecure: true}},
		"plain HTTP":               {Host: "http://a.example"},
		"no PEM certificate":       {Host: "https://a.example", TLSClientConfig: rest.TLSClientConfig{CAFile: "/dev/null"}},
		"no such file":             {Host: "https://a.example", TLSClientConfig: rest.TLSClientConfig{CAFile: "/does/not/exist"}},
		"token":                    {Host: "https://a.example", BearerTokenFile: "/does/not/exist"},
	} {
		if _, err := NewUpstream(config, discard()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
	if _, err := NewUpstream(&rest.Config{Host: "http://127.0.0.1:1"}, discard()); err != nil {
		t.Errorf("plain HTTP to the machine itself: %v", err)
	}
}

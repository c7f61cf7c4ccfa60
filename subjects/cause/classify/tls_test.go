package classify

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

// issue makes a certificate of template, signed by parent, nil for itself.
func issue(t *testing.T, template *x509.Certificate, parent *tls.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(1)
	by, with := template, any(key)
	if parent != nil {
		by, with = parent.Leaf, parent.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by, &key.PublicKey, with)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	c := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
	if parent != nil {
		c.Certificate = append(c.Certificate, parent.Certificate...)
	}
	return c
}

func authority(t *testing.T, name string) (tls.Certificate, *x509.CertPool) {
	ca := issue(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil)
	pool := x509.NewCertPool()
	pool.AddCert(ca.Leaf)
	return ca, pool
}

// handshake returns the error of a client that talks to a server, over a connection in
// memory. It reads one byte too: TLS 1.3 tells a client only then that it is refused.
func handshake(t *testing.T, client, server *tls.Config) error {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		s := tls.Server(c, server)
		_ = s.Handshake()
		_, _ = io.Copy(io.Discard, c) // the client closes first
		_ = c.Close()
	}()
	raw, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.SetDeadline(time.Now().Add(10 * time.Second))
	c := tls.Client(raw, client)
	if err = c.Handshake(); err == nil {
		_, err = c.Read(make([]byte, 1))
	}
	_ = raw.Close()
	<-done
	return err
}

// TestTLS: real handshakes, with what is wrong most often.
func TestTLS(t *testing.T) {
	ca, roots := authority(t, "Test CA")
	device, _ := authority(t, "Zscaler Intermediate Root CA (zscaler.net)")
	leaf := func(by *tls.Certificate, change func(*x509.Certificate)) *tls.Config {
		c := &x509.Certificate{
			Subject: pkix.Name{CommonName: "b\x1b[31m\n"}, DNSNames: []string{"b.test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		}
		if change != nil {
			change(c)
		}
		return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{issue(t, c, by)}}
	}
	with := func(c *tls.Config, change func(*tls.Config)) *tls.Config { change(c); return c }
	good := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: "b.test"}
	for name, test := range map[string]struct {
		client, server *tls.Config
		want           cause.ID
		got            string
	}{
		"unknown CA":                 {&tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool(), ServerName: "b.test"}, leaf(&ca, nil), cause.CertificateUnknown, `[1] "CN=Test CA", issued by "CN=Test CA"`},
		"device":                     {good, leaf(&device, nil), cause.Intercepted, "Zscaler"},
		"wrong name":                 {with(good.Clone(), func(c *tls.Config) { c.ServerName = "c.test" }), leaf(&ca, nil), cause.CertificateName, "b.test"},
		"expired":                    {good, leaf(&ca, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), cause.CertificateExpired, "has expired on 20"},
		"not yet":                    {good, leaf(&ca, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }), cause.CertificateExpired, "is not valid before 20"},
		"of a client":                {good, leaf(&ca, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), cause.CertificateInvalid, "key usage"},
		"old client":                 {with(good.Clone(), func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }), with(leaf(&ca, nil), func(c *tls.Config) { c.MinVersion = tls.VersionTLS13 }), cause.TLSRefused, "protocol version"},
		"old server":                 {with(good.Clone(), func(c *tls.Config) { c.MinVersion = tls.VersionTLS13 }), with(leaf(&ca, nil), func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }), cause.TLSRefused, "protocol version"},
		"no client certificate, 1.3": {good, with(leaf(&ca, nil), func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert }), cause.ClientCertificate, "certificate required"},
		"no client certificate, 1.2": {with(good.Clone(), func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }), with(leaf(&ca, nil), func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert }), cause.TLSRefused, "handshake failure"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := Error(cause.TLS, "agree on TLS with b.test", handshake(t, test.client, test.server))
			if f.Hop != cause.TLS || f.Cause != test.want || !strings.Contains(f.Got, test.got) {
				t.Errorf("got %s, want %s with %q", f, test.want, test.got)
			}
			if strings.ContainsAny(f.Error(), "\x1b\n") {
				t.Errorf("control characters: %q", f)
			}
		})
	}
}

// TestChainIsBounded: a server may send many certificates with long names.
func TestChainIsBounded(t *testing.T) {
	c := issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: strings.Repeat("x", 3000)}, NotAfter: time.Now().Add(time.Hour)}, nil)
	text := Chain([]*x509.Certificate{c.Leaf, c.Leaf, c.Leaf, c.Leaf, c.Leaf, c.Leaf, c.Leaf})
	if len(text) > 800 || !strings.Contains(text, "and 4 more") || !strings.Contains(text, Fingerprint(c.Leaf)) {
		t.Errorf("%d bytes: %s", len(text), text)
	}
}

func TestNotTLS(t *testing.T) {
	for first, want := range map[string]string{"INFO ": "use tls://", "HTTP/": "HTTP without TLS", "SSH-2": `begins with "SSH-2"`} {
		e := tls.RecordHeaderError{Msg: "no"}
		copy(e.RecordHeader[:], first)
		if f := Error(cause.NATS, "", fmt.Errorf("x: %w", e)); f.Hop != cause.TLS || f.Cause != cause.NotTLS || !strings.Contains(f.Got, want) {
			t.Errorf("%s: got %s", first, f)
		}
	}
}

// TestWhoseAuthority: a private CA is not a device's, whatever its name has in common with
// one.
func TestWhoseAuthority(t *testing.T) {
	for name, want := range map[string]bool{
		"fairlead private CA": false, "kubernetes": false, "front-proxy-ca": false, "R11, O=Let's Encrypt": false, "Acme Root CA 1": false,
		"Squid inspection CA": true, "Acme SSL Decryption CA": true, "mitmproxy": true, "Corp Web Gateway CA": true,
	} {
		ca, _ := authority(t, name)
		if got := Inspected([]*x509.Certificate{ca.Leaf}); got != want {
			t.Errorf("%s: inspected %t", name, got)
		}
	}
	ca, _ := authority(t, "Proxy.corp.example CA")
	for host, want := range map[string]bool{"proxy.corp.example": true, "proxy": false, "127.0.0.1": false, "other.corp.example": false} {
		if got := IssuedBy([]*x509.Certificate{ca.Leaf}, host); got != want {
			t.Errorf("%s: issued by it %t", host, got)
		}
	}
}

// TestCAMadeAgain: a CA with the name of one that is trusted, and another key, is told from
// a foreign one.
func TestCAMadeAgain(t *testing.T) {
	_, roots := authority(t, "fairlead private CA")
	for name, want := range map[string]bool{"fairlead private CA": true, "foreign CA": false} {
		ca, _ := authority(t, name)
		for _, sends := range []int{1, 2} { // the leaf alone, or its CA too
			c := issue(t, &x509.Certificate{DNSNames: []string{"b.test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}, &ca)
			c.Certificate = c.Certificate[:sends]
			f := Error(cause.TLS, "", handshake(t, &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: "b.test"},
				&tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{c}}))
			says := strings.Contains(f.Got, `unknown authority: a CA of the same name, "`+name+`", is known here and has another key`)
			if f.Cause != cause.CertificateUnknown || says != want {
				t.Errorf("%s, %d sent: %s", name, sends, f)
			}
		}
	}
}

package pkitest

import (
	"crypto"
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
	"testing"
	"time"
)

// CA issues certificates.
type CA struct {
	t     testing.TB
	cert  *x509.Certificate
	key   crypto.Signer
	above [][]byte // DER of the CAs above, up to but without the root
}

// New makes a root.
func New(t testing.TB, name string) *CA {
	t.Helper()
	ca := &CA{t: t, key: newKey(t)}
	template := authority(name)
	ca.cert = sign(t, template, template, ca.key.Public(), ca.key)
	return ca
}

// Intermediate makes a CA below this one, which is good until a time.
func (ca *CA) Intermediate(name string, until time.Time) *CA {
	ca.t.Helper()
	below := &CA{t: ca.t, key: newKey(ca.t)}
	template := authority(name)
	template.NotAfter = until
	below.cert = sign(ca.t, template, ca.cert, below.key.Public(), ca.key)
	below.above = append([][]byte{below.cert.Raw}, ca.above...)
	return below
}

// PEM returns the CA's certificate.
func (ca *CA) PEM() []byte { return encode(ca.cert.Raw) }

// Pool returns a set with the CA's certificate.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	return pool
}

// WriteFile writes the certificates of CAs to a new file and returns its path.
func WriteFile(t testing.TB, cas ...*CA) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.crt")
	Rewrite(t, path, cas...)
	return path
}

// Rewrite replaces such a file.
func Rewrite(t testing.TB, path string, cas ...*CA) {
	t.Helper()
	var all []byte
	for _, ca := range cas {
		all = append(all, ca.PEM()...)
	}
	if err := os.WriteFile(path+".new", all, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// Client issues a certificate for client authentication that is good for an hour;
// change, if not nil, makes it another one.
func (ca *CA) Client(name string, groups []string, change func(*x509.Certificate)) tls.Certificate {
	ca.t.Helper()
	return ca.issue(&x509.Certificate{
		Subject:     pkix.Name{CommonName: name, Organization: groups},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, change)
}

// Server issues a certificate for the loopback address.
func (ca *CA) Server() tls.Certificate {
	ca.t.Helper()
	return ca.issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: "server"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, nil)
}

func (ca *CA) issue(template *x509.Certificate, change func(*x509.Certificate)) tls.Certificate {
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	if change != nil {
		change(template)
	}
	key := newKey(ca.t)
	cert := sign(ca.t, template, ca.cert, key.Public(), ca.key)
	return tls.Certificate{Certificate: append([][]byte{cert.Raw}, ca.above...), PrivateKey: key, Leaf: cert}
}

// Parsed returns the certificates that a client with this one presents.
func Parsed(t testing.TB, c tls.Certificate) []*x509.Certificate {
	t.Helper()
	var all []*x509.Certificate
	for _, der := range c.Certificate {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, cert)
	}
	return all
}

// PEM returns the certificates that a client with this one presents.
func PEM(c tls.Certificate) []byte {
	var all []byte
	for _, der := range c.Certificate {
		all = append(all, encode(der)...)
	}
	return all
}

func encode(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func authority(name string) *x509.Certificate {
	return &x509.Certificate{
		Subject:   pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
}

func newKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t testing.TB, template, parent *x509.Certificate, key crypto.PublicKey, with crypto.Signer) *x509.Certificate {
	t.Helper()
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key, with)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

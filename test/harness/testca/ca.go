package testca

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
	ca, err := Make(name)
	if err != nil {
		t.Fatal(err)
	}
	ca.t = t
	return ca
}

// Make makes a root where there is no test. Only [CA.Certify] and what cannot fail may be
// used of it.
func Make(name string) (*CA, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := authority(name)
	cert, err := sign(template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return &CA{cert: cert, key: key}, nil
}

// Intermediate makes a CA below this one, which is good until a time.
func (ca *CA) Intermediate(name string, until time.Time) *CA {
	ca.t.Helper()
	below := New(ca.t, name)
	template := authority(name)
	template.NotAfter = until
	var err error
	if below.cert, err = sign(template, ca.cert, below.key.Public(), ca.key); err != nil {
		ca.t.Fatal(err)
	}
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

// Peer issues a certificate for both sides of a connection, with the loopback address
// and hosts.
func (ca *CA) Peer(name string, hosts ...string) tls.Certificate {
	ca.t.Helper()
	return ca.issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: hosts,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, nil)
}

func (ca *CA) issue(template *x509.Certificate, change func(*x509.Certificate)) tls.Certificate {
	ca.t.Helper()
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if change != nil {
		change(template)
	}
	c, err := ca.Certify(template)
	if err != nil {
		ca.t.Fatal(err)
	}
	return c
}

// Certify signs a certificate with a key of its own, whose serial number and use of the
// key it sets.
func (ca *CA) Certify(template *x509.Certificate) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	if template.KeyUsage == 0 {
		template.KeyUsage = x509.KeyUsageDigitalSignature
	}
	cert, err := sign(template, ca.cert, key.Public(), ca.key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: append([][]byte{cert.Raw}, ca.above...), PrivateKey: key, Leaf: cert}, nil
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

func sign(template, parent *x509.Certificate, key crypto.PublicKey, with crypto.Signer) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key, with)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

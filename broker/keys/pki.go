package keys

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"slices"
	"time"
)

// Lifetimes of what [Init] makes. Clients on some platforms refuse server
// certificates that are valid for more than 825 days.
const (
	caLifetime     = 10 * 365 * 24 * time.Hour
	serverLifetime = 825 * 24 * time.Hour
	// clockSkew is how far a client's clock may be behind at first use.
	clockSkew = time.Hour
)

func (l *Layout) newCA() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("private CA: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               pkix.Name{CommonName: "fairlead private CA"},
		NotBefore:             time.Now().Add(-clockSkew),
		NotAfter:              time.Now().Add(caLifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return fmt.Errorf("private CA: %w", err)
	}
	if err := writePair(l.CAFile(), l.caKeyFile(), der, key, writeNew); err != nil {
		return fmt.Errorf("private CA: %w", err)
	}
	return nil
}

// IssueServerCertificate makes a key and a certificate for broker and bridge,
// signed by the private CA, valid for localhost and hosts (names or addresses)
// for 825 days, or until the CA expires. It replaces the files; processes that
// run read them again.
func (l *Layout) IssueServerCertificate(hosts ...string) (*x509.Certificate, error) {
	cert, err := l.issueServerCertificate(hosts)
	if err != nil {
		return nil, fmt.Errorf("server certificate: %w", err)
	}
	return cert, nil
}

// RenewServerCertificate is [Layout.IssueServerCertificate] for the hosts that
// the present certificate is valid for. One that somebody else issued is not
// replaced.
func (l *Layout) RenewServerCertificate() (*x509.Certificate, error) {
	present, err := readCertificate(l.ServerCertFile())
	if err != nil {
		return nil, fmt.Errorf("server certificate: %w", err)
	}
	ca, err := readCertificate(l.CAFile())
	if err != nil {
		return nil, fmt.Errorf("server certificate: private CA: %w", err)
	}
	if err := present.CheckSignatureFrom(ca); err != nil {
		return nil, fmt.Errorf("server certificate: %s is not of the private CA, so it is renewed where it came from: %w", l.ServerCertFile(), err)
	}
	hosts := present.DNSNames
	for _, ip := range present.IPAddresses {
		hosts = append(hosts, ip.String())
	}
	return l.IssueServerCertificate(hosts...)
}

func (l *Layout) issueServerCertificate(hosts []string) (*x509.Certificate, error) {
	for _, h := range hosts {
		if err := checkHost(h); err != nil {
			return nil, fmt.Errorf("host: %w", err)
		}
	}
	ca, err := tls.LoadX509KeyPair(l.CAFile(), l.caKeyFile())
	if err != nil {
		return nil, fmt.Errorf("private CA: %w", err)
	}
	if time.Now().After(ca.Leaf.NotAfter) {
		return nil, fmt.Errorf("private CA: %s expired on %s: every agent and kubeconfig needs a new one, so make a new directory with 'init'",
			l.CAFile(), ca.Leaf.NotAfter.Format(time.DateOnly))
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial(),
		Subject:      pkix.Name{CommonName: "fairlead"},
		NotBefore:    time.Now().Add(-clockSkew),
		NotAfter:     earlier(time.Now().Add(serverLifetime), ca.Leaf.NotAfter),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		// A broker is a client of the other brokers' routes.
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	addHosts(template, append([]string{"localhost", "127.0.0.1", "::1"}, hosts...))
	der, err := x509.CreateCertificate(rand.Reader, template, ca.Leaf, key.Public(), ca.PrivateKey)
	if err != nil {
		return nil, err
	}
	if err := writePair(l.ServerCertFile(), l.ServerKeyFile(), der, key, replaceFile); err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// addHosts adds names and addresses, each once.
func addHosts(template *x509.Certificate, hosts []string) {
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip == nil {
			if !slices.Contains(template.DNSNames, h) {
				template.DNSNames = append(template.DNSNames, h)
			}
		} else if !slices.ContainsFunc(template.IPAddresses, ip.Equal) {
			template.IPAddresses = append(template.IPAddresses, ip)
		}
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func readCertificate(file string) (*x509.Certificate, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("%s: no PEM certificate in it", file)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return cert, nil
}

func writePair(certFile, keyFile string, cert []byte, key *ecdsa.PrivateKey, write func(string, []byte, fs.FileMode) error) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		write(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), secretMode),
		write(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), publicMode),
	)
}

// serial is a random serial number of a certificate: 128 bits, as CAs use.
func serial() *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 128))
	if err != nil {
		panic(err) // never fails since Go 1.24
	}
	return n
}

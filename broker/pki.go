package broker

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
	"net"
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
// for 825 days. It replaces the files; processes that run read them again.
func (l *Layout) IssueServerCertificate(hosts ...string) error {
	ca, err := tls.LoadX509KeyPair(l.CAFile(), l.caKeyFile())
	if err != nil {
		return fmt.Errorf("server certificate: private CA: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("server certificate: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial(),
		Subject:      pkix.Name{CommonName: "fairlead"},
		NotBefore:    time.Now().Add(-clockSkew),
		NotAfter:     time.Now().Add(serverLifetime),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		// A broker is a client of the other brokers' routes.
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:    []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.Leaf, key.Public(), ca.PrivateKey)
	if err != nil {
		return fmt.Errorf("server certificate: %w", err)
	}
	if err := writePair(l.ServerCertFile(), l.ServerKeyFile(), der, key, replaceFile); err != nil {
		return fmt.Errorf("server certificate: %w", err)
	}
	return nil
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

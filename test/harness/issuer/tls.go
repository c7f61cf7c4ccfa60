package issuer

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"time"

	"github.com/fairlead-io/fairlead/test/harness/testca"
)

// validity of the certificate: longer than any test.
const validity = 24 * time.Hour

// newTLS makes a CA and a server certificate of it for loopback addresses.
func newTLS() (config *tls.Config, ca []byte, err error) {
	authority, err := testca.Make("issuer test CA")
	if err != nil {
		return nil, nil, err
	}
	now := time.Now()
	cert, err := authority.Certify(&x509.Certificate{
		Subject: pkix.Name{CommonName: "issuer"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(validity),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}, DNSNames: []string{"localhost"},
	})
	if err != nil {
		return nil, nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}}, authority.PEM(), nil
}

package reload

import (
	"crypto/tls"
	"crypto/x509"
)

// ServerTLS returns the configuration of a listener that presents pair.
func ServerTLS(pair *KeyPair) *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return pair.Certificate(), nil },
	}
}

// AskForCertificates makes a listener ask each client for a certificate of one of the
// CAs that cas returns at that time; nil: it asks for none. A client may have none, and
// what it presents is not verified: the handshake proves only that it has the key. It
// changes c, which must not be in use; c must name its protocols (NextProtos).
//
// A session that a client resumes has the certificate of its first handshake.
func AskForCertificates(c *tls.Config, cas func() *x509.CertPool) {
	base := c.Clone()
	c.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		pool := cas()
		if pool == nil {
			return nil, nil
		}
		asking := base.Clone()
		asking.ClientAuth, asking.ClientCAs = tls.RequestClientCert, pool
		return asking, nil
	}
}

// ClientTLS returns the configuration for dialling a server whose certificate
// must verify against roots (nil: the system's); pair, if not nil, is
// presented when the server asks for a certificate.
//
// RootCAs is the set as it is now, since crypto/tls has no hook for it. Code
// that dials repeatedly calls ClientTLS for each dial, or passes
// [CertPool.RootCAs] where nats.go takes a callback.
func ClientTLS(roots *CertPool, pair *KeyPair) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if roots != nil {
		c.RootCAs = roots.Pool()
	}
	if pair != nil {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return pair.Certificate(), nil
		}
	}
	return c
}

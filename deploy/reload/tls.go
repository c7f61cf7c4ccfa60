package reload

import "crypto/tls"

// ServerTLS returns the configuration of a listener that presents pair.
func ServerTLS(pair *KeyPair) *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return pair.Certificate(), nil },
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

package reload

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
)

// KeyPair is a certificate and its key, in PEM files that may be replaced at
// any time (see [File]). A certificate that is about to expire is logged when it
// is read, and again every day that it is used. A KeyPair is safe for
// concurrent use.
type KeyPair struct {
	file   *File[*tls.Certificate]
	expiry expiryNotice
}

// LoadKeyPair reads the pair, which must be good at the start. A nil log
// discards.
func LoadKeyPair(certFile, keyFile string, log *slog.Logger) (*KeyPair, error) {
	parse := func(contents [][]byte) (*tls.Certificate, error) {
		cert, err := tls.X509KeyPair(contents[0], contents[1])
		if err != nil {
			return nil, err
		}
		return &cert, nil
	}
	file, err := OpenAll("certificate and key", []string{certFile, keyFile}, log, parse)
	if err != nil {
		return nil, err
	}
	k := &KeyPair{file: file, expiry: expiryNotice{log: file.log, file: certFile}}
	k.Certificate()
	return k, nil
}

// Certificate returns the current pair. It never fails.
func (k *KeyPair) Certificate() *tls.Certificate {
	cert := k.file.Get()
	k.expiry.check(cert.Leaf)
	return cert
}

// Status returns how the pair and its files stand. It does not block.
func (k *KeyPair) Status() Status {
	s := k.file.Status()
	s.Certificates = SummarizeOwn(k.file.Peek())
	return s
}

// SummarizeOwn is [Summarize] for a certificate with the CAs that it is presented with.
func SummarizeOwn(c *tls.Certificate) []Certificate {
	var cas []*x509.Certificate
	for _, der := range c.Certificate[1:] {
		if ca, err := x509.ParseCertificate(der); err == nil { // clients do without the others
			cas = append(cas, ca)
		}
	}
	return Summarize(c.Leaf, cas)
}

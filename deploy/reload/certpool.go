package reload

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
)

// CertPool is a set of CA certificates, in a PEM file that may be replaced at
// any time (see [File]). It is safe for concurrent use.
type CertPool struct {
	file *File[certificates]
}

type certificates struct {
	pool    *x509.CertPool
	pem     []byte
	summary []Certificate
}

// LoadCertPool reads the set, which must be good at the start. A nil log
// discards.
func LoadCertPool(path string, log *slog.Logger) (*CertPool, error) {
	file, err := Open("CA certificates", path, log, parseCertificates)
	if err != nil {
		return nil, err
	}
	return &CertPool{file}, nil
}

// Pool returns the current set. It never fails.
func (p *CertPool) Pool() *x509.CertPool { return p.file.Get().pool }

// PEM returns the content of the file that [CertPool.Pool] is from, which must
// not be modified. It never fails.
func (p *CertPool) PEM() []byte { return p.file.Get().pem }

// Status returns how the set and its file stand. It does not block.
func (p *CertPool) Status() Status {
	s := p.file.Status()
	s.Certificates = p.file.Peek().summary
	return s
}

// RootCAs is [CertPool.Pool] in the form of nats.RootCAsHandler.
func (p *CertPool) RootCAs() (*x509.CertPool, error) { return p.Pool(), nil }

// CheckCertificates reports why a file with such a content is not a set of certificates.
func CheckCertificates(content []byte) error {
	_, err := parseCertificates(content)
	return err
}

// parseCertificates is stricter than AppendCertsFromPEM, which skips what it
// cannot read: half a bundle would refuse connections for no visible reason.
func parseCertificates(content []byte) (certificates, error) {
	pool := x509.NewCertPool()
	var all []*x509.Certificate
	for rest := content; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return certificates{}, fmt.Errorf("contains a PEM block of type %q", block.Type)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return certificates{}, fmt.Errorf("certificate %d: %w", len(all)+1, err)
		}
		pool.AddCert(cert)
		all = append(all, cert)
	}
	if len(all) == 0 {
		return certificates{}, errors.New("no PEM certificate in it")
	}
	return certificates{pool, content, Summarize(nil, all)}, nil
}

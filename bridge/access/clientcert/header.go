package clientcert

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/fairlead-io/fairlead/bridge/access"
)

// The headers of RFC 9440.
const (
	clientCert      = "Client-Cert"
	clientCertChain = "Client-Cert-Chain"
)

const beginCertificate = "-----BEGIN CERTIFICATE-----"

// forwarded is a caller's certificate as a proxy's header has it.
type forwarded struct {
	name  string
	value string
	chain []string // lines of Client-Cert-Chain
}

// readHeader reads a proxy's header. An empty one is that of a caller without a
// certificate. A second one is an error: the proxy has added its own to that of its
// caller, instead of replacing it.
func readHeader(h http.Header, name string) (*forwarded, error) {
	values := h[name]
	switch {
	case len(values) == 0, len(values) == 1 && values[0] == "":
		return nil, access.ErrNoCredentials
	case len(values) > 1:
		return nil, fmt.Errorf("%w: header %s is there twice; the proxy must replace what its caller sends", ErrHeader, name)
	}
	f := &forwarded{name: name, value: values[0]}
	if name == clientCert {
		f.chain = h[clientCertChain]
	}
	return f, nil
}

// certificates returns the caller's own certificate and then the intermediate CAs.
func (f *forwarded) certificates() ([]*x509.Certificate, error) {
	certs, err := parse(f.value)
	if err == nil && len(f.chain) > 0 {
		var chain []*x509.Certificate
		chain, err = parseChain(f.chain)
		certs = append(certs, chain...)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: header %s %w", ErrHeader, f.name, err)
	}
	return certs, nil
}

// parse reads a header's value in one of the forms that proxies send:
//
//	:MIIB...:                        RFC 9440
//	-----BEGIN%20CERTIFICATE-----... PEM, encoded for URLs, as of nginx and AWS
//	Hash=...;Cert="-----BEGIN..."    Envoy
func parse(value string) ([]*x509.Certificate, error) {
	switch {
	case strings.HasPrefix(value, ":"):
		c, err := parseBytes(value)
		if err != nil {
			return nil, err
		}
		return []*x509.Certificate{c}, nil
	case strings.HasPrefix(value, "-----"):
		return parsePEM(value)
	case strings.Contains(value, "="):
		escaped, err := envoyCertificate(value)
		if err != nil {
			return nil, err
		}
		return parsePEM(escaped)
	}
	return nil, errors.New("is neither an RFC 9440 byte sequence, nor URL-encoded PEM, nor of Envoy's form")
}

// parseBytes reads a byte sequence of RFC 8941 with a certificate.
func parseBytes(value string) (*x509.Certificate, error) {
	if len(value) < 2 || value[0] != ':' || value[len(value)-1] != ':' {
		return nil, errors.New("is not a byte sequence")
	}
	der, err := base64.StdEncoding.DecodeString(value[1 : len(value)-1])
	if err != nil {
		return nil, errors.New("is not in base64")
	}
	return parseDER(der)
}

// parseChain reads the list of byte sequences with the intermediate CAs.
func parseChain(lines []string) (chain []*x509.Certificate, err error) {
	for _, line := range lines {
		for item := range strings.SplitSeq(line, ",") {
			c, err := parseBytes(strings.Trim(item, " \t"))
			if err != nil {
				return nil, fmt.Errorf("has a chain that %w", err)
			}
			if chain = append(chain, c); len(chain) >= maxChain {
				return nil, tooMany()
			}
		}
	}
	return chain, nil
}

// parsePEM reads PEM that is encoded for URLs. A plus sign stands for itself, as in
// base64.
func parsePEM(escaped string) (certs []*x509.Certificate, err error) {
	text, err := url.PathUnescape(escaped)
	if err != nil {
		return nil, errors.New("is not encoded for URLs")
	}
	for rest := []byte(text); len(rest) > 0; rest = bytes.TrimSpace(rest) {
		var block *pem.Block
		if bytes.HasPrefix(rest, []byte(beginCertificate)) {
			block, rest = pem.Decode(rest)
		}
		if block == nil {
			return nil, errors.New("has other content than PEM certificates")
		}
		c, err := parseDER(block.Bytes)
		if err != nil {
			return nil, err
		}
		if certs = append(certs, c); len(certs) > maxChain {
			return nil, tooMany()
		}
	}
	return certs, nil
}

func parseDER(der []byte) (*x509.Certificate, error) {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, errors.New("has a certificate that cannot be parsed")
	}
	return c, nil
}

func tooMany() error { return fmt.Errorf("has more than %d certificates", maxChain) }

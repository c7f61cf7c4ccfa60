package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

// maxCA bounds the file of CA certificates, in bytes. The system's has 200 KiB.
const maxCA = 1 << 20

// tlsConfig verifies an https proxy. The CA file is read each time.
func (p *Proxies) tlsConfig(host string) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host, NextProtos: []string{"http/1.1"}}
	if p.CAFile == "" {
		return config, nil
	}
	roots, err := x509.SystemCertPool()
	if err != nil { // there is none
		roots = x509.NewCertPool()
	}
	content, err := readBounded(p.CAFile, maxCA)
	if err == nil && !roots.AppendCertsFromPEM(content) {
		err = fmt.Errorf("the file holds no certificate in PEM")
	}
	if err != nil {
		return nil, &cause.Failure{Hop: cause.Proxy, Cause: cause.ProxyConfig,
			Tried: "read the CA certificates for the proxy from " + p.CAFile, Got: err.Error()}
	}
	config.RootCAs = roots
	return config, nil
}

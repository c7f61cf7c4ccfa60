package broker

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"

	"github.com/fairlead-io/fairlead/deploy/reload"
)

func (c *Config) serverTLS() (*tls.Config, error) {
	if c.TLSCert == "" {
		return nil, errors.New("tls-cert, tls-key: needed, since the configuration file has no tls block: the broker listens with TLS only")
	}
	pair, err := reload.LoadKeyPair(c.TLSCert, c.TLSKey, c.Logger)
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	c.follow(pair.Followed("tls-cert"))
	return reload.ServerTLS(pair), nil
}

// follow notes files for [Broker.Files]. Listeners read the same ones, each for itself.
func (c *Config) follow(files []reload.Followed) {
	for _, f := range files {
		known := func(k reload.Followed) bool { return k.Name == f.Name }
		if c.files != nil && !slices.ContainsFunc(*c.files, known) {
			*c.files = append(*c.files, f)
		}
	}
}

// nodesTLS is for both ends of a route, and of a gateway: each node presents a
// certificate of the same CA.
func (c *Config) nodesTLS() (*tls.Config, error) {
	if c.TLSCA == "" {
		return nil, errors.New("tls-ca: needed for routes and gateways: nodes know each other by certificates of one private CA")
	}
	if c.TLSCert == "" {
		return nil, errors.New("tls-cert, tls-key: needed for routes and gateways")
	}
	pair, err := reload.LoadKeyPair(c.TLSCert, c.TLSKey, c.Logger)
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	ca, err := reload.LoadCertPool(c.TLSCA, c.Logger)
	if err != nil {
		return nil, fmt.Errorf("tls-ca: %w", err)
	}
	c.follow(pair.Followed("tls-cert"))
	c.follow(ca.Followed("tls-ca"))
	config := reload.ServerTLS(pair)
	config.GetClientCertificate = reload.ClientTLS(nil, pair).GetClientCertificate
	config.ClientAuth = tls.RequireAndVerifyClientCert
	config.ClientCAs, config.RootCAs = ca.Pool(), ca.Pool()
	return config, nil
}

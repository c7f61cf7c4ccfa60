package broker

import (
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"golang.org/x/time/rate"

	"github.com/fairlead-io/fairlead/deploy/reload"
)

const (
	// handshakesPerSecond bounds the handshakes of clients, each of which
	// costs up to a millisecond of a core with the authentication that follows:
	// when thousands of agents come back at once, those that are connected
	// keep most of the machine.
	handshakesPerSecond = 500
	// maxHandshakeWait is how long a handshake waits for its turn. A connection
	// that would wait longer is refused; all clients try again later.
	maxHandshakeWait = 3 * time.Second
)

// errTooManyHandshakes ends a handshake; the client gets "internal error".
var errTooManyHandshakes = errors.New("too many handshakes at once")

// handshakeLimit lets TLS handshakes through at a rate. nats-server has a
// limit of its own, which panics unless it comes from a configuration file.
type handshakeLimit struct{ *rate.Limiter }

func newHandshakeLimit() handshakeLimit {
	return handshakeLimit{rate.NewLimiter(handshakesPerSecond, handshakesPerSecond/10)}
}

type getCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error)

// limit makes a handshake wait where it asks for the certificate, which is in
// the client's own goroutine.
func (l handshakeLimit) limit(next getCertificate) getCertificate {
	return func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if err := l.wait(); err != nil {
			return nil, err
		}
		return next(hello)
	}
}

func (l handshakeLimit) wait() error {
	turn := l.Reserve()
	wait := turn.Delay()
	if wait > maxHandshakeWait {
		turn.Cancel()
		return errTooManyHandshakes
	}
	time.Sleep(wait)
	return nil
}

func (c *Config) serverTLS() (*tls.Config, error) {
	if c.TLSCert == "" {
		return nil, errors.New("tls-cert, tls-key: needed, since the configuration file has no tls block: the broker listens with TLS only")
	}
	pair, err := reload.LoadKeyPair(c.TLSCert, c.TLSKey, c.Logger)
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	config := reload.ServerTLS(pair)
	config.GetCertificate = newHandshakeLimit().limit(config.GetCertificate)
	return config, nil
}

// routesTLS is for both ends of a route: each node presents a certificate of
// the same CA.
func (c *Config) routesTLS() (*tls.Config, error) {
	if c.TLSCA == "" {
		return nil, errors.New("tls-ca: needed for routes: nodes know each other by certificates of one private CA")
	}
	if c.TLSCert == "" {
		return nil, errors.New("tls-cert, tls-key: needed for routes")
	}
	pair, err := reload.LoadKeyPair(c.TLSCert, c.TLSKey, c.Logger)
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	ca, err := reload.LoadCertPool(c.TLSCA, c.Logger)
	if err != nil {
		return nil, fmt.Errorf("tls-ca: %w", err)
	}
	config := reload.ServerTLS(pair)
	config.GetClientCertificate = reload.ClientTLS(nil, pair).GetClientCertificate
	config.ClientAuth = tls.RequireAndVerifyClientCert
	config.ClientCAs, config.RootCAs = ca.Pool(), ca.Pool()
	return config, nil
}

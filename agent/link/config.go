package link

import (
	"context"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-io/fairlead/deploy/reload"
	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/transport"
	"github.com/fairlead-io/fairlead/subjects/natslink/reach"
)

// Config configures a [Connector].
type Config struct {
	// Servers are the broker's URLs: see [reach.Config].
	Servers []string
	// CredsFile names the file with the credentials.
	CredsFile string
	// Transport is how connections to the broker are made.
	Transport transport.Config
	// ProxyCredentialsFile and ProxyCAFile name the files with the credentials for
	// the forward proxy and the CAs that verify it: see [proxy.Proxies].
	ProxyCredentialsFile, ProxyCAFile string
	// Cluster, if not "", must be the cluster that the credentials are for.
	Cluster string
	// Adopt makes a connection the one that serves a cluster. Only Run's
	// goroutine calls it. After an error the connection is closed.
	Adopt func(nc *nats.Conn, cluster string) error
	// Clock, if not nil, returns another machine's clock as it was measured elsewhere, nil
	// for none: see [dial.Dialer]. It must not block.
	Clock func() *dial.Clock
	// OnFailure, if not nil, is called for each failure to connect and each loss. It
	// must not block.
	OnFailure func(*cause.Failure)
	// Registry gets the metrics.
	Registry prometheus.Registerer
	// Logger gets what happens.
	Logger *slog.Logger
}

// New returns a connector that has not begun. It reads no file.
func New(cfg Config) (*Connector, error) {
	broker, err := reach.Open(cfg.reach(), cfg.Logger)
	if err != nil {
		return nil, err
	}
	c := &Connector{
		broker: broker, adopt: cfg.Adopt, clock: cfg.Clock, log: cfg.Logger,
		file:  &credsFile{path: cfg.CredsFile, cluster: cfg.Cluster},
		state: newState(&cfg, newMetrics(cfg.Registry)),
		tried: make(map[*Creds]time.Time),
	}
	c.dial = c.connectTo
	return c, nil
}

// Check checks how the broker is reached, as far as that is possible without files and
// the network. The error names the field.
func (c Config) Check() error {
	broker := c.reach()
	_, err := broker.Check()
	return err
}

// reach says how the broker is reached.
func (c *Config) reach() reach.Config {
	return reach.Config{Servers: c.Servers, Transport: c.Transport, ProxyCredentialsFile: c.ProxyCredentialsFile, ProxyCAFile: c.ProxyCAFile}
}

// Files are the files of certificates that the connections to brokers use.
func (c *Connector) Files() []reload.Followed { return c.broker.Files() }

// ClientCertificate returns the file of the client certificate and its end, as it was read
// last; "" where none is given or could be read so far.
func (c *Connector) ClientCertificate() (file string, end time.Time) {
	return c.broker.ClientCertificate()
}

// NoteWait notes why no connection is tried for now.
func (c *Connector) NoteWait(reason string) { c.state.waiting(reason) }

// NoteMissing is NoteWait after a while: if the credentials are missing as well,
// it reports both, so that they can be put right together.
func (c *Connector) NoteMissing(reason string) {
	if _, _, err := c.file.read(); err != nil {
		c.state.failedAndWaits(unused(err), reason)
	} else {
		c.state.waiting(reason)
	}
}

// Stopping notes that the agent closes the connection itself, which is not a loss.
// It is safe for concurrent use.
func (c *Connector) Stopping() { c.state.stop() }

// Outage returns why there was no connection to the broker the last time, or why there
// is none now, and since when. It is nil if there always was one. It is safe for
// concurrent use.
func (c *Connector) Outage() (why *cause.Failure, since time.Time) { return c.state.outage() }

// Check is the readiness check. It is safe for concurrent use.
func (c *Connector) Check(ctx context.Context) (string, error) { return c.state.check(ctx) }

// Expiry is when the credentials in use expire; the zero time is never, or that none have
// been used yet.
func (c *Connector) Expiry() time.Time {
	if at := c.state.metrics.expiresAt.Load(); at != 0 {
		return time.Unix(at, 0)
	}
	return time.Time{}
}

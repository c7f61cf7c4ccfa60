package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"

	"github.com/fairlead-io/fairlead/deploy/daemon"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/natslink"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// Config configures an [Agent].
type Config struct {
	// Servers are the broker's URLs: tls:// or wss://, and nats:// or ws:// to
	// the machine itself.
	Servers []string
	// CredsFile names the credentials, read again at each connection.
	CredsFile string
	// CAFile names the CAs that verify the broker, read again when it changes;
	// "" for the system's.
	CAFile string
	// Cluster, if not "", must be the cluster that the credentials are for.
	Cluster string
	// Kube says how to reach the API server: see [LoadKube].
	Kube *rest.Config
	// MaxStreams bounds the requests that are served at a time; more are
	// refused as overloaded. 0 is the protocol's limit, subjects.MaxStreams.
	MaxStreams int
	// Version is the agent's own version, told to bridges.
	Version string
	// Registry gets the metrics. Default: a registry of its own.
	Registry prometheus.Registerer
	// Logger gets what happens. Default: discard.
	Logger *slog.Logger
}

// Validate checks what needs neither a file nor the network. The error names
// the field at fault.
func (c *Config) Validate() error {
	if err := checkServers(c.Servers); err != nil {
		return err
	}
	if c.CredsFile == "" {
		return errors.New("creds: no credentials file given")
	}
	if c.MaxStreams < 0 || c.MaxStreams > subjects.MaxStreams {
		return fmt.Errorf("max-streams: %d is not between 1 and %d (0 for the most)", c.MaxStreams, subjects.MaxStreams)
	}
	return nil
}

// Agent is one instance of a cluster's agent.
type Agent struct {
	cfg     Config
	log     *slog.Logger
	creds   *Creds
	roots   *daemon.CertPool // nil: the system's
	up      *Upstream
	metrics *Metrics
	handler *Handler
	broker  *brokerState
	prober  *prober
	started time.Time
	link    atomic.Pointer[natslink.Agent] // nil before Run
}

// New checks the configuration as far as it can be checked without the
// network. It starts nothing. The error names the field at fault.
func New(cfg Config) (*Agent, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Registry == nil {
		cfg.Registry = prometheus.NewRegistry()
	}
	a := &Agent{cfg: cfg, log: cfg.Logger, started: time.Now()}
	if err := a.readCreds(); err != nil {
		return nil, err
	}
	var err error
	if cfg.CAFile != "" {
		if a.roots, err = daemon.LoadCertPool(cfg.CAFile, a.log); err != nil {
			return nil, fmt.Errorf("ca: %w", err)
		}
	}
	if a.up, err = NewUpstream(cfg.Kube, a.log); err != nil {
		return nil, err
	}
	a.metrics = NewMetrics(cfg.Registry, a.streams)
	a.metrics.expires(a.creds)
	a.handler = NewHandler(a.up, a.metrics, a.log)
	a.broker = newBrokerState(a.log, a.metrics, cfg.Servers, func() (*Creds, error) { return ReadCreds(cfg.CredsFile) })
	a.prober = newProber(a.up, a.log, a.metrics, "fairlead-agent/"+cfg.Version, a.announce)
	return a, nil
}

func (a *Agent) readCreds() error {
	c, err := ReadCreds(a.cfg.CredsFile)
	if err != nil {
		return err
	}
	if err := c.Expired(time.Now()); err != nil {
		return fmt.Errorf("credentials %s: %w", a.cfg.CredsFile, err)
	}
	if a.cfg.Cluster != "" && a.cfg.Cluster != c.Cluster {
		return fmt.Errorf("cluster: %q, but the credentials %s are for cluster %q", a.cfg.Cluster, a.cfg.CredsFile, c.Cluster)
	}
	a.creds = c
	return nil
}

// Cluster is the name of the cluster that the agent serves.
func (a *Agent) Cluster() string { return a.creds.Cluster }

// Run serves until ctx ends; then it says goodbye to the bridges and resets
// what is left. It tries for ever to connect: an error is a defect.
func (a *Agent) Run(ctx context.Context) error {
	nc, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer nc.Close()
	a.broker.attach(nc)
	closed := nc.StatusChanged(nats.CLOSED)
	instance := subjects.NewID('a')
	link, err := natslink.NewAgent(nc, natslink.AgentConfig{
		Cluster: a.creds.Cluster, Instance: instance, Presence: a.presence, Logger: a.log,
		Stream: stream.Config{Handler: a.handler.Serve, MaxStreams: a.cfg.MaxStreams, Logger: a.log},
	})
	if err != nil {
		return err
	}
	a.link.Store(link)
	a.log.Info("agent up", "cluster", a.creds.Cluster, "instance", instance, "api_server", a.up.base.Host)

	probing, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { a.prober.run(probing) })
	select {
	case <-ctx.Done():
		err = nil
	case <-closed:
		err = errors.New("connection to broker closed for good")
	}
	stop()
	wg.Wait()
	a.broker.stop()
	_ = link.Close()
	a.up.Close()
	return err
}

func (a *Agent) connect(ctx context.Context) (*nats.Conn, error) {
	o := natslink.ConnectOptions{
		Name: "fairlead-agent " + a.creds.Cluster, Servers: a.cfg.Servers, CredsFile: a.cfg.CredsFile,
		TLS: daemon.ClientTLS(a.roots, nil), OnUp: a.broker.up, OnDown: a.broker.down, OnError: a.broker.failed,
		Logger: a.log,
	}
	if a.roots != nil {
		o.RootCAs = a.roots.RootCAs
	}
	return natslink.Connect(ctx, o)
}

// Drain tells the bridges that the instance takes no more requests, refuses
// those that come all the same, and returns when the running ones have ended,
// or with ctx's error.
func (a *Agent) Drain(ctx context.Context) error {
	link := a.link.Load()
	if link == nil {
		return nil
	}
	a.log.Info("draining", "streams", link.Streams())
	return link.Drain(ctx)
}

// BrokerCheck, APIServerCheck and LiveCheck are checks for an ops listener:
// ready is who is connected to a broker and has an API server that answers;
// alive is whose own loop has turned within the last minutes.
func (a *Agent) BrokerCheck(ctx context.Context) (string, error) { return a.broker.check(ctx) }

// APIServerCheck: see [Agent.BrokerCheck].
func (a *Agent) APIServerCheck(ctx context.Context) (string, error) { return a.prober.check(ctx) }

// LiveCheck: see [Agent.BrokerCheck].
func (a *Agent) LiveCheck(ctx context.Context) (string, error) { return a.prober.alive(ctx) }

func (a *Agent) presence() subjects.Presence {
	version, reachable := a.prober.state()
	return subjects.Presence{Version: a.cfg.Version, Started: a.started, Kubernetes: version, Reachable: reachable}
}

func (a *Agent) announce() {
	if link := a.link.Load(); link != nil {
		link.Announce()
	}
}

func (a *Agent) streams() int {
	if link := a.link.Load(); link != nil {
		return link.Streams()
	}
	return 0
}

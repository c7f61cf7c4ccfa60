package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"

	"github.com/fairlead-io/fairlead/agent/allow"
	"github.com/fairlead-io/fairlead/agent/link"
	"github.com/fairlead-io/fairlead/agent/serve"
	"github.com/fairlead-io/fairlead/agent/settings"
	"github.com/fairlead-io/fairlead/agent/upstream"
	"github.com/fairlead-io/fairlead/deploy/reload"
	"github.com/fairlead-io/fairlead/deploy/tracing/span"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/cause/failures"
	"github.com/fairlead-io/fairlead/subjects/natslink"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/transport"
	wire "github.com/fairlead-io/fairlead/subjects/settings"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// waitEvery is how often the agent reports what else is missing, while it waits
// to learn how to reach the API server.
const waitEvery = 3 * time.Second

// Config configures an [Agent].
type Config struct {
	// Servers are the broker's URLs: tls:// or wss://, and nats:// or ws:// to
	// the machine itself.
	Servers []string
	// CredsFile names the file with the credentials. It may appear later than the
	// agent, and is re-read when it changes.
	CredsFile string
	// Transport is how connections to the broker are made. Its files may appear later
	// likewise.
	Transport transport.Config
	// ProxyCredentialsFile and ProxyCAFile name the files with the credentials for
	// the forward proxy and the CAs that verify it; "" for those of its URL and of
	// the system.
	ProxyCredentialsFile, ProxyCAFile string
	// Cluster, if not "", must be the cluster that the credentials are for.
	Cluster string
	// LoadKube returns how to reach the API server. It is called until it
	// succeeds: see [upstream.LoadConfig].
	LoadKube func() (*rest.Config, error)
	// ReadsOverHTTP2 has reads share the API server's HTTP/2 connections: see
	// [upstream.Client.ReadsOverHTTP2].
	ReadsOverHTTP2 bool
	// AllowFile names the file with the list of what the cluster's owner allows; see
	// package allow. "" for none: everything that the credentials of LoadKube allow.
	AllowFile string
	// Namespace returns the agent's own namespace in the cluster, which the list guards;
	// nil where it is not in the cluster.
	Namespace func() (string, error)
	// MaxStreams bounds the concurrent requests; more are refused as overloaded.
	// 0 is the protocol's limit, subjects.MaxStreams.
	MaxStreams int
	// Labels are the cluster's, as its owner gives them.
	Labels map[string]string
	// SettingsAccept are the fields of package settings that the platform may set while
	// the agent runs.
	SettingsAccept []string
	// LogLevel is the level of Logger; nil: the owner has fixed it.
	LogLevel *slog.LevelVar
	// FixedMaxStreams says that the owner has fixed MaxStreams.
	FixedMaxStreams bool
	// Tracer makes spans of each request; nil: nothing is traced.
	Tracer *span.Tracer
	// Version is the agent's version, which it reports to bridges.
	Version string
	// Pod and Node are where the agent runs, which it reports too; "": not known.
	Pod, Node string
	// Registry gets the metrics. Default: a new registry.
	Registry prometheus.Registerer
	// Logger gets the log. Default: discard.
	Logger *slog.Logger
}

// Validate checks what can be checked without files and the network. The error
// names the field.
func (c *Config) Validate() error {
	if err := c.Link().Check(); err != nil {
		return err
	}
	if c.CredsFile == "" {
		return errors.New("creds: no credentials file given")
	}
	if c.Cluster != "" {
		if err := subjects.CheckName(c.Cluster); err != nil {
			return fmt.Errorf("cluster: %w", err)
		}
	}
	if c.MaxStreams < 0 || c.MaxStreams > subjects.MaxStreams {
		return fmt.Errorf("max-streams: %d is not between 1 and %d", c.MaxStreams, subjects.MaxStreams)
	}
	if err := subjects.CheckLabels(c.Labels); err != nil {
		return fmt.Errorf("labels: %w", err)
	}
	if err := settings.CheckAccept(c.SettingsAccept); err != nil {
		return fmt.Errorf("settings-accept: %w", err)
	}
	return nil
}

// Link says how to reach the broker: everything but what the connection is for. The
// doctor reaches it in the same way.
func (c *Config) Link() link.Config {
	return link.Config{
		Servers: c.Servers, CredsFile: c.CredsFile, Transport: c.Transport, Cluster: c.Cluster,
		ProxyCredentialsFile: c.ProxyCredentialsFile, ProxyCAFile: c.ProxyCAFile,
	}
}

// Agent is one instance of a cluster's agent.
type Agent struct {
	cfg      Config
	log      *slog.Logger
	requests *serve.Metrics
	conn     *link.Connector
	prober   *upstream.Prober
	guard    *allow.Guard // nil: there is neither a list nor a restriction
	settings *settings.Applier

	limiting   sync.Mutex // guards setStreams, and is held while a link's limit is set
	setStreams int        // the platform's limit of streams; 0: none

	started time.Time

	loaded   chan *upstream.Client           // has the client once it could be made
	upstream atomic.Pointer[upstream.Client] // the same, for other goroutines; nil until then

	// Used by the goroutine of Run, which is the connector's.
	up      *upstream.Client
	handler *serve.Handler
	cluster string // that link serves

	link atomic.Pointer[natslink.Agent] // nil before the first connection

	// linking holds a token while a link is made or replaced, so that Drain
	// finds the one that takes requests.
	linking  chan struct{}
	draining atomic.Bool // set before linking is taken

	presence func() subjects.Presence // tests have their own
}

// New checks the configuration as far as that is possible without files and the
// network, which may be put right while the agent runs. It starts nothing. The
// error names the field.
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
	a := &Agent{cfg: cfg, log: cfg.Logger, started: time.Now(), linking: make(chan struct{}, 1), loaded: make(chan *upstream.Client, 1)}
	a.requests = serve.NewMetrics(cfg.Registry)
	a.register(cfg.Registry)
	failures := failures.New("agent", "to brokers and to the API server")
	cfg.Registry.MustRegister(failures)
	if cfg.AllowFile != "" || slices.Contains(cfg.SettingsAccept, wire.Restrict) {
		a.guard = allow.New(allow.Config{Path: cfg.AllowFile, Namespace: cfg.Namespace, Registry: cfg.Registry, Logger: a.log})
	}
	a.settings = a.newSettings()
	var err error
	to := cfg.Link()
	// There is a client before the connector runs.
	to.Clock = dial.Measured("the API server", func() (time.Duration, bool) { return a.up.ClockAhead() })
	to.Adopt, to.OnFailure, to.Registry, to.Logger = a.adopt, failures.Note, cfg.Registry, a.log
	a.conn, err = link.New(to)
	if err != nil {
		return nil, err
	}
	a.presence = a.state
	a.prober = upstream.NewProber("fairlead-agent/"+cfg.Version, a.log, a.announce, failures.Note)
	return a, nil
}

func (a *Agent) loadUpstream() (*upstream.Client, error) {
	config, err := a.cfg.LoadKube()
	if err != nil {
		return nil, err
	}
	up, err := upstream.New(config, a.log)
	if err == nil && a.cfg.ReadsOverHTTP2 {
		up.ReadsOverHTTP2()
	}
	return up, err
}

// Run serves until ctx ends; then it says goodbye to the bridges and resets the
// streams that are left. It waits for whatever is missing or cannot be reached.
// It returns nil, and is called once.
func (a *Agent) Run(ctx context.Context) error {
	probing, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		a.prober.Run(probing, a.loadUpstream, func(up *upstream.Client) {
			a.upstream.Store(up)
			a.loaded <- up
		})
	})
	if a.guard != nil {
		wg.Go(func() { a.guard.Run(probing) })
	}
	wg.Go(func() { a.settings.Run(probing) })
	conn := a.serve(ctx)
	stop()
	wg.Wait()
	a.conn.Stopping()
	if l := a.link.Load(); l != nil {
		_ = l.Close()
	}
	if conn != nil {
		conn.Close()
	}
	if a.up == nil {
		select {
		case a.up = <-a.loaded: // it was never used
		default:
		}
	}
	if a.up != nil {
		a.up.Close()
	}
	return nil
}

// serve connects to the broker once there is a client of the API server and a list of
// what is allowed: the agent must know where to send requests, and which ones, before it
// accepts them. It returns what [link.Connector.Run] does.
func (a *Agent) serve(ctx context.Context) *nats.Conn {
	again := time.NewTicker(waitEvery)
	defer again.Stop()
	waits := "waits until it knows how to reach the API server"
	a.conn.NoteWait(waits)
	for listed := a.guard.Ready(); a.up == nil || listed != nil; {
		select {
		case a.up = <-a.loaded:
			if waits = "waits for an allow-list that it can use"; listed != nil {
				a.conn.NoteWait(waits)
			}
		case <-listed:
			listed = nil
		case <-ctx.Done():
			return nil
		case <-again.C:
			a.conn.NoteMissing(waits)
		}
	}
	a.handler = serve.NewHandler(a.up, a.guard, a.requests, a.log, a.cfg.Tracer)
	return a.conn.Run(ctx)
}

// adopt makes nc the connection that serves a cluster: see [link.Config].
func (a *Agent) adopt(nc *nats.Conn, cluster string) error {
	old := a.link.Load()
	if old != nil && a.cluster == cluster {
		return old.Move(nc)
	}
	a.linking <- struct{}{}
	defer func() { <-a.linking }()
	if a.draining.Load() { // a new instance would take requests
		return errors.New("the agent is stopping")
	}
	if old != nil { // they were another cluster's
		a.settings.Reset()
	}
	instance := subjects.NewID('a')
	next, err := natslink.NewAgent(nc, natslink.AgentConfig{
		Cluster: cluster, Instance: instance, Presence: a.presence, Settings: a.settings.Receive, Logger: a.log,
		Stream: stream.Config{Handler: a.handler.Serve, MaxStreams: a.cfg.MaxStreams, Logger: a.log},
	})
	if err != nil {
		return err
	}
	if err := next.Confirm(); err != nil {
		_ = next.Close()
		return err
	}
	a.link.Store(next)
	a.limitNew(next)
	a.cluster = cluster
	if old != nil {
		_ = old.Close()
		a.settings.Reset() // what came meanwhile comes again
		a.announce()
	}
	a.log.Info("agent up", "cluster", cluster, "instance", instance, "api_server", a.up.Host())
	return nil
}

// Drain tells the bridges that the instance accepts no more requests, refuses
// those that arrive anyway, and returns when the running ones have ended, or
// with ctx's error. It may be called while Run runs.
func (a *Agent) Drain(ctx context.Context) error {
	a.draining.Store(true)
	select {
	case a.linking <- struct{}{}: // it is free within the time that a broker has to confirm a link
		<-a.linking
	case <-ctx.Done():
		return ctx.Err()
	}
	l := a.link.Load()
	if l == nil {
		return nil
	}
	a.log.Info("draining", "streams", l.Streams())
	return l.Drain(ctx)
}

// BrokerCheck, APIServerCheck and LiveCheck are checks for an ops listener: an
// agent is ready when it is connected to a broker and its API server responds,
// and alive when its own loop has run within the last minutes.
func (a *Agent) BrokerCheck(ctx context.Context) (string, error) { return a.conn.Check(ctx) }

// APIServerCheck: see [Agent.BrokerCheck].
func (a *Agent) APIServerCheck(ctx context.Context) (string, error) { return a.prober.Check(ctx) }

// AllowCheck is a check of the list of what is allowed: it fails while there is none
// that can be used. It must not be called without [Config.AllowFile].
func (a *Agent) AllowCheck(ctx context.Context) (string, error) { return a.guard.Check(ctx) }

// AllowStatus returns how the list in use and its file stand. It does not block.
func (a *Agent) AllowStatus() reload.Status { return a.guard.Status() }

// Files are the files of certificates that the agent has read so far.
func (a *Agent) Files() []reload.Followed {
	all := a.conn.Files()
	if up := a.upstream.Load(); up != nil {
		all = append(all, up.Files()...)
	}
	return all
}

// LiveCheck: see [Agent.BrokerCheck].
func (a *Agent) LiveCheck(ctx context.Context) (string, error) { return a.prober.Alive(ctx) }

func (a *Agent) state() subjects.Presence {
	version, reachable := a.prober.State()
	return subjects.Presence{
		Version: a.cfg.Version, Started: a.started, Kubernetes: version, Reachable: reachable, LastCause: a.lastCause(),
		Labels: a.settings.Labels(), Settings: a.settings.State(), Detail: a.detail(),
	}
}

// detail is what the agent tells for inventories.
func (a *Agent) detail() *subjects.Detail {
	d := &subjects.Detail{Pod: a.cfg.Pod, Node: a.cfg.Node, Platform: a.prober.Platform()}
	d.Requests, d.Up, d.Down = a.requests.Totals()
	if at := a.conn.Expiry(); !at.IsZero() {
		at = at.UTC()
		d.Expires = &at
	}
	return d.Clean()
}

// lastCause is why the API server is not reachable or, if it is, why there was no
// connection to a broker the last time.
func (a *Agent) lastCause() *subjects.LastCause {
	why, since := a.prober.Outage()
	if why == nil {
		why, since = a.conn.Outage()
	}
	if why == nil {
		return nil
	}
	return (&subjects.LastCause{Hop: string(why.Hop), Cause: string(why.Cause), At: since, Text: why.Got}).Clean()
}

func (a *Agent) announce() {
	if l := a.link.Load(); l != nil {
		l.Announce()
	}
}

package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/fairlead-io/fairlead/broker/trust"
	"github.com/fairlead-io/fairlead/deploy/reload"
)

// startTimeout bounds how long listeners may take to be up.
const startTimeout = 10 * time.Second

// Broker is one running node. It is a nats.InProcessConnProvider. Its methods
// may be called from any goroutine.
type Broker struct {
	server *server.Server
	log    *slog.Logger
	fatal  *serverLog
	guard  *guard // nil without credentials for it
	// admission limits the rate of new connections.
	admission *admission
	// websocket says whether there is such a listener: the server tells the
	// address of one that does not exist.
	websocket bool
	store     bool   // whether it has JetStream
	platform  string // the account that uses it, "" if there is none yet
	clustered bool   // see the function
	regions   []string
	started   time.Time
	files     []reload.Followed
	storeUp   atomic.Bool // whether its store has been whole since the start
	draining  atomic.Bool
}

// ConfigError says that values or files of a [Config] cannot be used: starting
// again without a change cannot help.
type ConfigError struct{ Err error }

func (e *ConfigError) Error() string { return e.Err.Error() }
func (e *ConfigError) Unwrap() error { return e.Err }

// Start starts a node. It returns when clients can connect, or with an error
// and nothing running: a [trust.FindingsError] when [Check] has any findings, a
// [ConfigError] when files that cfg names cannot be used.
func Start(cfg Config) (*Broker, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	report, err := trust.Check(cfg.source())
	if err != nil {
		return nil, &ConfigError{err}
	}
	if len(report.Findings) > 0 {
		return nil, fmt.Errorf("broker: %w", &trust.FindingsError{Findings: report.Findings})
	}
	if cfg.StoreDir != "" && report.Platform == "" {
		cfg.Logger.Warn("store-dir: no account has role store yet, so nothing can be kept; 'fairlead-broker store add' makes one, with nsc platform.sh")
	}
	admission := newAdmission(cfg.MaxConnects)
	cfg.files = new([]reload.Followed)
	options, err := cfg.options(admission)
	if err != nil {
		return nil, &ConfigError{err}
	}
	s, err := server.NewServer(options)
	if err != nil {
		options.AccountResolver.Close()
		return nil, fmt.Errorf("broker: %w", err)
	}
	b := &Broker{
		server:    s,
		log:       cfg.Logger,
		admission: admission,
		fatal:     newServerLog(cfg.Logger),
		websocket: options.Websocket.Port != 0,
		store:     options.JetStream,
		platform:  report.PlatformKey,
		clustered: clustered(options),
		regions:   otherRegions(options),
		started:   time.Now(),
		files:     *cfg.files,
	}
	s.SetLogger(b.fatal, cfg.Debug, false)
	if err := b.start(cfg); err != nil {
		b.Shutdown()
		return nil, fmt.Errorf("broker: %w", err)
	}
	return b, nil
}

// Files are the files of certificates that the node follows, unless the NATS
// configuration file names them.
func (b *Broker) Files() []reload.Followed { return b.files }

func (b *Broker) start(cfg Config) error {
	b.server.Start()
	// A server that has failed does not say so to ReadyForConnections, which
	// would wait for nothing.
	if err := b.Failed(); err != nil {
		return err
	}
	ready := b.server.ReadyForConnections(startTimeout)
	if err := b.Failed(); err != nil {
		return err
	}
	if !ready {
		return fmt.Errorf("not ready for connections within %s", startTimeout)
	}
	if err := b.loadPlatform(); err != nil {
		b.log.Warn("the store is not ready yet", "error", err)
	}
	if cfg.GuardCreds == "" {
		b.log.Warn("no guard-creds: users whose name is not a DNS label stay connected; the templates of the roles still confine them")
		return nil
	}
	guard, err := startGuard(b, cfg.GuardCreds)
	if err != nil {
		return fmt.Errorf("guard-creds: %w", err)
	}
	b.guard = guard
	return nil
}

// Run waits until ctx ends or the server fails, shuts the broker down and
// returns the failure.
func (b *Broker) Run(ctx context.Context) error {
	defer b.Shutdown()
	select {
	case <-ctx.Done():
		return nil
	case <-b.fatal.fatal:
		return fmt.Errorf("broker: %w", b.fatal.err)
	}
}

// Drain lets clients move to other nodes (NATS calls it lame duck) for
// DrainTimeout, or until ctx ends, then shuts the broker down. It returns when
// all has stopped. In-process connections are cut like others, and no new
// ones are made.
func (b *Broker) Drain(ctx context.Context) error {
	b.draining.Store(true)
	b.stopGuard()
	b.settleStore()
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.server.LameDuckShutdown()
	}()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = ctx.Err()
		b.admission.close()
		b.server.Shutdown()
		<-done
	}
	b.Shutdown()
	return err
}

// Shutdown cuts every connection and returns when all has stopped. It may be
// called more than once.
func (b *Broker) Shutdown() {
	b.stopGuard()
	b.admission.close()
	b.settleStore()
	b.server.Shutdown()
	b.server.WaitForShutdown()
}

func (b *Broker) stopGuard() {
	if b.guard != nil {
		b.guard.stop()
	}
}

// Failed is the error that nothing but a new start can mend, if there is one.
func (b *Broker) Failed() error {
	select {
	case <-b.fatal.fatal:
		return b.fatal.err
	default:
		return nil
	}
}

// Ready says why the broker takes no connections, or nothing. A node that has just
// started is not ready before its store is, for at most 30 s.
func (b *Broker) Ready() error {
	if err := b.Failed(); err != nil {
		return err
	}
	if !b.server.Running() {
		return errors.New("shut down")
	}
	if !b.server.ReadyForConnections(time.Millisecond) {
		return errors.New("listeners are closed")
	}
	return b.storeStarting()
}

// ClientURL is where clients connect, with the port that was found if any was
// asked for; the host is the one that is listened on.
func (b *Broker) ClientURL() string { return b.server.ClientURL() }

// WebsocketURL is the same for WebSocket clients; "" without that listener.
func (b *Broker) WebsocketURL() string {
	if !b.websocket {
		return ""
	}
	return b.server.WebsocketURL()
}

// RoutesAddr is where other nodes connect; "" without that listener.
func (b *Broker) RoutesAddr() string {
	if a := b.server.ClusterAddr(); a != nil {
		return a.String()
	}
	return ""
}

// Routes is the number of connected route connections; several belong to one
// node.
func (b *Broker) Routes() int { return b.server.NumRoutes() }

// Peers is the number of other nodes that it is connected to.
func (b *Broker) Peers() int { return b.server.NumRemotes() }

// errDraining is why there are no new connections; the server would leave an
// in-process one hanging.
var errDraining = errors.New("broker: draining")

// InProcessConn connects without a socket, for a bridge in the same process.
// The user must be allowed the connection type IN_PROCESS. The connection is a
// pipe without a buffer, which clients wrap in natslink.InProcess so that a
// refusal does not take them 10 s.
func (b *Broker) InProcessConn() (net.Conn, error) {
	if b.draining.Load() {
		return nil, errDraining
	}
	return b.server.InProcessConn()
}

// Name is the node's name.
func (b *Broker) Name() string { return b.server.Name() }

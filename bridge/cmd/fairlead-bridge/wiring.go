package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"

	"github.com/fairlead-io/fairlead/bridge"
	"github.com/fairlead-io/fairlead/bridge/access/policy"
	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/bridge/inventory"
	"github.com/fairlead-io/fairlead/bridge/store"
	"github.com/fairlead-io/fairlead/bridge/store/kv"
	"github.com/fairlead-io/fairlead/bridge/tenant"
	"github.com/fairlead-io/fairlead/broker"
	"github.com/fairlead-io/fairlead/deploy/daemon"
	"github.com/fairlead-io/fairlead/deploy/reload"
	"github.com/fairlead-io/fairlead/deploy/tracing"
	"github.com/fairlead-io/fairlead/subjects/cause/failures"
	"github.com/fairlead-io/fairlead/subjects/natslink/reach"
)

// wiring puts the parts together. What it opens is closed by its components once
// they run, before that by close.
type wiring struct {
	o   *runOptions
	id  string        // of the bridge, in the subjects of NATS
	cfg bridge.Config // as the flags have it
	log *slog.Logger
	ops *daemon.Ops

	tls      *tls.Config // of the HTTP side; nil for plain HTTP
	embedded *broker.Broker
	started  atomic.Pointer[broker.Broker] // embedded, for connections made at any time
	remote   *reach.Broker                 // brokers that run elsewhere; nil: embedded is the one
	failures *failures.Counter             // of connections to brokers
	store    *store.Store                  // nil: the bridge shares nothing
	tenants  *tenant.Pool
	policy   *policy.Policy    // nil: no access file
	traces   *tracing.Provider // nil: tracing is off
	listener net.Listener
	server   *bridge.Server
}

// components are the parts of the process in the order in which they start; they
// stop in the reverse of it.
func (w *wiring) components() ([]daemon.Component, error) {
	// First what is only read: a file that is at fault keeps everything from
	// listening.
	if err := w.files(); err != nil {
		return nil, err
	}
	w.failures = failures.New("bridge", "to brokers")
	w.ops.Registry().MustRegister(w.failures)
	shared, err := w.openStore()
	if err != nil {
		return nil, err
	}
	service := tracing.Service{Name: "fairlead-bridge", Version: daemon.Version().Version}
	if w.traces, err = tracing.Open(service, w.log, w.ops.Registry()); err != nil {
		return nil, &daemon.ConfigError{Err: err}
	}
	callers, err := w.callers()
	if err != nil {
		return nil, err
	}
	hooks, err := w.webhooks()
	if err != nil {
		return nil, err
	}
	components := []daemon.Component{w.ops.Component(), {Name: "tracing", Run: w.traces.Run}}
	embedded, err := w.broker()
	if err != nil {
		return nil, err
	}
	if embedded != nil {
		components = append(components, *embedded)
	}
	components = append(append(components, shared...), hooks...)
	if err := w.pool(); err != nil {
		return nil, err
	}
	watched := w.inventory()
	edge, err := w.edge()
	if err != nil {
		return nil, err
	}
	components = append(components, w.connections(), watched)
	components = append(components, callers...)
	return append(components, daemon.Component{Name: "operations", Run: w.server.Operations}, daemon.Component{Name: "settings", Run: w.server.Settings}, edge), nil
}

// close closes what a failed wiring has opened. After components have run there
// is nothing left for it, and it would wait without a bound for one that hangs.
func (w *wiring) close() {
	if w.listener != nil {
		_ = w.listener.Close()
	}
	if w.tenants != nil {
		w.tenants.Close()
	}
	if w.policy != nil {
		w.policy.Close()
	}
	_ = w.cfg.Audit.Close()
	if w.store != nil {
		w.store.Close()
	}
	_ = w.traces.Close()
	if w.embedded != nil {
		w.embedded.Shutdown()
	}
}

// broker starts the embedded broker; nil where there is none.
func (w *wiring) broker() (*daemon.Component, error) {
	if w.o.embedded.Dir == "" {
		return nil, nil
	}
	cfg := w.o.embedded
	cfg.Logger = w.log.With("part", "broker")
	if err := cfg.Validate(); err != nil {
		return nil, daemon.Usagef("embedded broker: %w", err)
	}
	b, err := broker.Start(cfg)
	if bad, ok := errors.AsType[*broker.ConfigError](err); ok {
		return nil, daemon.Configf("embedded broker: %w", bad)
	}
	if err != nil {
		return nil, fmt.Errorf("embedded broker: %w", err)
	}
	w.embedded = b
	w.started.Store(b)
	w.ops.Registry().MustRegister(b)
	for _, f := range b.Files() {
		f.Name = "broker-" + f.Name
		w.ops.Follow(f)
	}
	w.ops.Live("broker", func(context.Context) (string, error) { return "", b.Failed() })
	w.ops.Ready("broker", func(context.Context) (string, error) { return "takes connections on " + b.ClientURL(), b.Ready() })
	w.log.Info("broker up", "clients", b.ClientURL(), "websocket", b.WebsocketURL())
	return &daemon.Component{Name: "broker", Run: b.Run, Drain: b.Drain}, nil
}

// connections closes the tenants' connections before the embedded broker
// drains: in-process ones would come back and hang.
func (w *wiring) connections() daemon.Component {
	return daemon.Component{Name: "tenants", Run: func(ctx context.Context) error {
		w.tenants.Reach(ctx)
		<-ctx.Done()
		w.tenants.Close()
		return nil
	}}
}

// inventory keeps the tenants connected, so that a list of clusters is complete at once, and
// tells what happens to clusters.
func (w *wiring) inventory() daemon.Component {
	watcher := &inventory.Watcher{Tenants: w.tenants, Events: w.cfg.Events, Version: daemon.Version().Version, Logger: w.log}
	if w.store != nil {
		watcher.Bucket = kv.New(w.store, store.Inventory())
	}
	w.cfg.Inventory = watcher
	return daemon.Component{Name: "inventory", Run: func(ctx context.Context) error {
		watcher.Run(ctx)
		<-ctx.Done()
		return nil
	}}
}

// pool makes the tenants' connections, which open when they are needed.
func (w *wiring) pool() error {
	key, err := signingKey("bridge key", w.o.seed)
	if err != nil {
		return err
	}
	list, err := tenant.OpenList(w.o.tenants, w.log)
	if err != nil {
		return &daemon.ConfigError{Err: err}
	}
	w.ops.File("tenants", list.Status)
	cfg := tenant.Config{
		ID: w.id, Key: key, Logger: w.log,
		Tenants:   func() tenant.List { return list.Get() },
		Directory: directory.Config{ReconnectGrace: w.o.grace},
	}
	if w.o.grace == 0 {
		cfg.Directory.ReconnectGrace = -1
	}
	if cfg.Broker, cfg.InProcess, err = w.reach(); err != nil {
		return err
	}
	cfg.OnFailure = w.failures.Note
	if w.tenants, err = tenant.NewPool(cfg); err != nil {
		return err
	}
	// Ready once one tenant has worked, whatever happens to the others: these are
	// served, and no other bridge would be taken either.
	w.ops.Ready("tenants", func(context.Context) (string, error) {
		said := refusals(w.tenants.Refused())
		if down := w.tenants.Disconnected(); down != "" {
			said = strings.TrimPrefix(said+"; ", "; ") + "ok, but " + down
		}
		return said, w.tenants.Ready()
	})
	return nil
}

// maxRefusals bounds the tenants that /readyz names.
const maxRefusals = 10

// refusals says which tenants the broker refuses the bridge for, "" for none.
func refusals(tenants []string) string {
	if len(tenants) == 0 {
		return ""
	}
	more := ""
	if n := len(tenants) - maxRefusals; n > 0 {
		tenants, more = tenants[:maxRefusals], fmt.Sprintf(" and %d more", n)
	}
	return fmt.Sprintf("ok but for those that the broker refuses this bridge for: %s%s", strings.Join(tenants, ", "), more)
}

// files reads the certificates.
func (w *wiring) files() (err error) {
	if w.cfg.CA, err = w.publicCA(); err != nil || w.o.insecureHTTP {
		return err
	}
	pair, err := reload.LoadKeyPair(w.o.cert, w.o.key, w.log)
	if err != nil {
		return daemon.Configf("--tls-cert, --tls-key: %w", err)
	}
	w.ops.Follow(pair.Followed("tls-cert")...)
	w.tls = reload.ServerTLS(pair)
	return nil
}

// edge makes the HTTP side and opens its listener.
func (w *wiring) edge() (daemon.Component, error) {
	cfg := w.cfg // with the callers
	cfg.Tenants, cfg.Ready, cfg.Version = w.tenants, w.ops.CheckReady, daemon.Version().Version
	cfg.Registerer, cfg.Logger, cfg.Tracer = w.ops.Registry(), w.log, w.traces.Tracer()
	cfg.Store, cfg.ID = w.store, w.id
	s, err := bridge.New(cfg)
	if err != nil {
		return daemon.Component{}, &daemon.UsageError{Err: err}
	}
	w.server = s
	if w.listener, err = net.Listen("tcp", w.o.listen); err != nil {
		return daemon.Component{}, fmt.Errorf("listen: %w", err)
	}
	w.ops.Ready("http", func(context.Context) (string, error) {
		if s.Draining() {
			return "", errors.New("draining")
		}
		return "serving on " + w.listener.Addr().String(), nil
	})
	w.log.Info("bridge up", "listen", w.listener.Addr().String(), "tls", w.tls != nil)
	return daemon.Component{
		Name: "http",
		Run: func(ctx context.Context) error {
			stop := context.AfterFunc(ctx, s.Close)
			defer stop()
			if err := s.Serve(w.listener, w.tls); err != nil {
				return err
			}
			<-ctx.Done() // a drain ends Serve, and is not over then
			return nil
		},
		Drain: s.Drain,
	}, nil
}

// publicCA returns the CA certificates that kubeconfigs trust. It is asked for
// each kubeconfig, so that a new CA is in the next one.
func (w *wiring) publicCA() (func() []byte, error) {
	if w.o.ca == "" {
		return nil, nil
	}
	roots, err := reload.LoadCertPool(w.o.ca, w.log)
	if err != nil {
		return nil, daemon.Configf("tls-ca: %w", err)
	}
	w.ops.Follow(roots.Followed("tls-ca")...)
	return roots.PEM, nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fairlead-io/fairlead/broker"
	"github.com/fairlead-io/fairlead/deploy/daemon"
)

type runOptions struct {
	broker broker.Config
	log    daemon.LogOptions
	ops    daemon.OpsOptions
	// nodes is how many the cluster is to have, 0 for not said. The routes do not
	// say it: they may or may not name this node too.
	nodes int
}

func runCommand() *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run one node",
		Long: `Run one node, from a directory that 'init' made or from the configuration file
that 'nsc generate config --nats-resolver' writes.

SIGTERM drains: agents and bridges are asked to move to other nodes, and the
process ends when they have or when --drain-timeout is over.`,
		Example: `  fairlead-broker run --dir ./fairlead
  fairlead-broker run --config ./fairlead/broker.yaml
  fairlead-broker run --nats-config resolver.conf --tls-cert server.crt --tls-key server.key
  fairlead-broker run --dir ./fairlead --name broker-1 --routes tls://broker-2:6222,tls://broker-3:6222
  fairlead-broker run --dir ./fairlead --cluster-name europe --gateways asia=tls://broker.asia.example.com:7222`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.run(cmd.Context(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	trustFlags(f, &o.broker)
	c := &o.broker
	f.StringVar(&c.Name, "name", "", "`name` of the node, unique in the cluster and in all regions (default: the host's)")
	f.StringVar(&c.Listen, "listen", "", "`address` for agents and bridges, TLS (default \""+broker.DefaultListen+"\")")
	f.StringVar(&c.WebsocketListen, "websocket-listen", "", "`address` for agents by WebSocket, or off (default \""+broker.DefaultWebsocketListen+"\")")
	f.BoolVar(&c.WebsocketPlain, "websocket-plain", false, "no TLS on the WebSocket address: a reverse proxy in front has it")
	f.StringVar(&c.RoutesListen, "routes-listen", "", "`address` for other nodes, mutual TLS (default \""+broker.DefaultRoutesListen+"\" when there are routes)")
	f.StringSliceVar(&c.Routes, "routes", nil, "`URLs` of the other nodes, like tls://broker-2:6222")
	f.IntVar(&o.nodes, "cluster-nodes", 0, "`number` of nodes that the cluster is to have, for 'healthcheck cluster' to compare with (default: not compared)")
	f.StringVar(&c.ClusterName, "cluster-name", "", "`name` that all nodes give their cluster, with --gateways that of their region (default \""+broker.DefaultClusterName+"\")")
	f.StringVar(&c.GatewaysListen, "gateways-listen", "", "`address` for nodes of other regions, mutual TLS (default \""+broker.DefaultGatewaysListen+"\" when there are gateways)")
	f.StringSliceVar(&c.Gateways, "gateways", nil, "`regions` that are joined and their nodes' URLs, like europe=tls://broker-7:7222; this region may be among them")
	f.StringVar(&c.TLSCert, "tls-cert", "", "`file` with the certificate, read again when it changes (default: of --dir)")
	f.StringVar(&c.TLSKey, "tls-key", "", "`file` with its key (default: of --dir)")
	f.StringVar(&c.TLSCA, "tls-ca", "", "`file` with the private CA of the nodes' certificates (default: of --dir)")
	f.StringVar(&c.GuardCreds, "guard-creds", "", "`file` with credentials of a system account user that may subscribe to $SYS.ACCOUNT.*.CONNECT (default: of --dir)")
	f.StringVar(&c.StoreDir, "store-dir", "", "`directory` of this node's part of what bridges share: approvals, audit, recordings (default: none is kept)")
	f.Int64Var(&c.StoreMax, "store-max", broker.DefaultStoreMax, "most `bytes` of --store-dir")
	f.IntVar(&c.MaxConnects, "max-connects-per-second", broker.DefaultMaxConnects, "most `connections` of agents and bridges that are admitted a second, 0 for any; more than that wait, or are refused and come again")
	f.DurationVar(&c.DrainTimeout, "drain-timeout", broker.DefaultDrainTimeout, "`time` for clients to move to other nodes at SIGTERM")
	daemon.MarkPath(f, "tls-cert", "tls-key", "tls-ca", "guard-creds", "store-dir")
	o.log.Flags(f)
	o.ops.Flags(f, "127.0.0.1:8082")
	daemon.ConfigFlag(f)
	return cmd
}

// trustFlags say where a broker learns whom to trust.
func trustFlags(f *pflag.FlagSet, c *broker.Config) {
	f.StringVar(&c.Dir, "dir", "", "`directory` that 'fairlead-broker init' made")
	f.StringVar(&c.NATSConfig, "nats-config", "", "`file` that 'nsc generate config --nats-resolver' wrote, instead of --dir")
	f.StringVar(&c.ResolverDir, "resolver-dir", "", "`directory` with this node's account JWTs (default: jwt in --dir, or as in --nats-config)")
	daemon.MarkPath(f, "dir", "nats-config", "resolver-dir")
}

// check refuses what cannot work, in the words of the flags. The broker's own
// configuration takes 0 for the default.
func (o *runOptions) check() error {
	if err := o.broker.Validate(); err != nil {
		return &daemon.UsageError{Err: err}
	}
	if err := daemon.CheckDuration("drain-timeout", o.broker.DrainTimeout, time.Second, daemon.MaxDrain); err != nil {
		return err
	}
	switch {
	case o.broker.MaxConnects < 0:
		return daemon.Usagef("max-connects-per-second: %d is negative (0: no limit)", o.broker.MaxConnects)
	case o.broker.MaxConnects == 0:
		o.broker.MaxConnects = broker.Unlimited
	}
	if o.nodes < 0 {
		return daemon.Usagef("cluster-nodes: %d is negative (0: not compared)", o.nodes)
	}
	return nil
}

func (o *runOptions) run(ctx context.Context, stderr io.Writer) error {
	if err := o.check(); err != nil {
		return err
	}
	log, err := o.log.New(stderr)
	if err != nil {
		return err
	}
	ops, err := daemon.NewOps(o.ops, log)
	if err != nil {
		return err
	}
	o.broker.Logger = log
	o.broker.Debug = log.Enabled(ctx, slog.LevelDebug)
	b, err := broker.Start(o.broker)
	if bad, ok := errors.AsType[*broker.ConfigError](err); ok {
		return &daemon.ConfigError{Err: bad}
	}
	if err != nil {
		return err
	}
	ops.Registry().MustRegister(b)
	ops.Follow(b.Files()...)
	ops.Live("broker", func(context.Context) (string, error) { return "", b.Failed() })
	ready := func(context.Context) (string, error) {
		text := "takes connections on " + b.ClientURL()
		if b.RoutesAddr() != "" {
			text += ", " + o.peers(b)
		}
		if regions := regions(b); regions != "" {
			text += ", " + regions
		}
		if err := b.Ready(); err != nil {
			return text, err
		}
		store, err := b.StoreStatus()
		if err != nil { // agents and bridges have a broker all the same
			store = err.Error()
		}
		if store != "" {
			text += "; " + store
		}
		return text, nil
	}
	ops.Ready("broker", ready)
	ops.Cluster("broker", ready)
	if o.broker.StoreDir != "" {
		ops.Cluster("store", func(context.Context) (string, error) { return b.StoreStatus() })
	}
	ops.Cluster("nodes", func(context.Context) (string, error) { return o.whole(b) })
	if len(o.broker.Gateways) > 0 {
		ops.Cluster("regions", func(context.Context) (string, error) { return joined(b) })
	}
	log.Info("broker up", "name", b.Name(), "clients", b.ClientURL(), "websocket", b.WebsocketURL(), "routes", b.RoutesAddr(), "gateways", b.GatewaysAddr())
	return daemon.Run(ctx, log, o.broker.DrainTimeout+drainMargin,
		ops.Component(),
		daemon.Component{Name: "broker", Run: b.Run, Drain: b.Drain},
	)
}

// peers tells to how many other nodes b is connected, and how many there should
// be where that is known.
func (o *runOptions) peers(b *broker.Broker) string {
	if o.nodes == 0 {
		return fmt.Sprintf("connected to %d other nodes", b.Peers())
	}
	return fmt.Sprintf("connected to %d of %d other nodes", b.Peers(), o.nodes-1)
}

// whole is the check that b is not isolated. It is not part of readiness: a broker by
// itself serves the agents and bridges that it has, and taking it out of work
// would mend nothing.
func (o *runOptions) whole(b *broker.Broker) (string, error) {
	if b.Peers() < o.nodes-1 {
		return "", fmt.Errorf("%s: the log says why; the certificate must be for the host names in --routes", o.peers(b))
	}
	return o.peers(b), nil
}

// regions tells to which other regions b is connected, and to which it is not; "" if
// there are none.
func regions(b *broker.Broker) string {
	connected, missing := b.Regions()
	var text []string
	if len(connected) > 0 {
		text = append(text, "connected to region "+strings.Join(connected, ", "))
	}
	if len(missing) > 0 {
		text = append(text, "not connected to region "+strings.Join(missing, ", "))
	}
	return strings.Join(text, ", ")
}

// joined is the check that b is connected to every other region. Nor is it part of
// readiness: a region by itself serves its agents and bridges.
func joined(b *broker.Broker) (string, error) {
	if _, missing := b.Regions(); len(missing) > 0 {
		return "", fmt.Errorf("%s: the log says why; the certificates there must be of the same CA, and for the host names in --gateways", regions(b))
	}
	return regions(b), nil
}

// drainMargin lets the server end a drain by itself: it takes the whole of the
// drain timeout when clients stay.
const drainMargin = 2 * time.Second

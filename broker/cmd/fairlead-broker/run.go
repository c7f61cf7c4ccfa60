package main

import (
	"context"
	"io"
	"log/slog"
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
}

func runCommand() *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run one node",
		Long: `Run one node, from a directory that 'init' made or from the configuration file
that 'nsc generate config --nats-resolver' writes.

SIGTERM drains: agents and bridges are told to move to other nodes, and the
process ends when they have or when --drain-timeout is over.`,
		Example: `  fairlead-broker run --dir ./fairlead
  fairlead-broker run --config ./fairlead/broker.yaml
  fairlead-broker run --nats-config resolver.conf --tls-cert server.crt --tls-key server.key
  fairlead-broker run --dir ./fairlead --name broker-1 --routes tls://broker-2:6222,tls://broker-3:6222`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.run(cmd.Context(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	trustFlags(f, &o.broker)
	c := &o.broker
	f.StringVar(&c.Name, "name", "", "`name` of the node, unique in the cluster (default: the host's)")
	f.StringVar(&c.Listen, "listen", "", "`address` for agents and bridges, TLS (default \""+broker.DefaultListen+"\")")
	f.StringVar(&c.WebsocketListen, "websocket-listen", "", "`address` for agents by WebSocket, or off (default \""+broker.DefaultWebsocketListen+"\")")
	f.BoolVar(&c.WebsocketPlain, "websocket-plain", false, "no TLS on the WebSocket address: a reverse proxy in front has it")
	f.StringVar(&c.RoutesListen, "routes-listen", "", "`address` for other nodes, mutual TLS (default \""+broker.DefaultRoutesListen+"\" when there are routes)")
	f.StringSliceVar(&c.Routes, "routes", nil, "`URLs` of the other nodes, like tls://broker-2:6222")
	f.StringVar(&c.ClusterName, "cluster-name", "", "`name` that all nodes give their cluster (default \""+broker.DefaultClusterName+"\")")
	f.StringVar(&c.TLSCert, "tls-cert", "", "`file` with the certificate, read again when it changes (default: of --dir)")
	f.StringVar(&c.TLSKey, "tls-key", "", "`file` with its key (default: of --dir)")
	f.StringVar(&c.TLSCA, "tls-ca", "", "`file` with the private CA of the nodes' certificates (default: of --dir)")
	f.StringVar(&c.GuardCreds, "guard-creds", "", "`file` with credentials of a system account user that may subscribe to $SYS.ACCOUNT.*.CONNECT (default: of --dir)")
	f.DurationVar(&c.DrainTimeout, "drain-timeout", broker.DefaultDrainTimeout, "`time` for clients to move to other nodes at SIGTERM")
	daemon.MarkPath(f, "tls-cert", "tls-key", "tls-ca", "guard-creds")
	o.log.Flags(f)
	o.ops.Flags(f, "127.0.0.1:8082")
	daemon.ConfigFlag(f)
	return cmd
}

// trustFlags say where a broker learns whom to trust.
func trustFlags(f *pflag.FlagSet, c *broker.Config) {
	f.StringVar(&c.Dir, "dir", "", "`directory` that 'fairlead-broker init' made")
	f.StringVar(&c.NATSConfig, "nats-config", "", "`file` that 'nsc generate config --nats-resolver' wrote, in place of --dir")
	f.StringVar(&c.ResolverDir, "resolver-dir", "", "`directory` with this node's account JWTs (default: jwt in --dir, or as in --nats-config)")
	daemon.MarkPath(f, "dir", "nats-config", "resolver-dir")
}

func (o *runOptions) run(ctx context.Context, stderr io.Writer) error {
	if err := o.broker.Validate(); err != nil {
		return &daemon.UsageError{Err: err}
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
	if err != nil {
		return err
	}
	ops.Registry().MustRegister(b)
	ops.Live("broker", func(context.Context) (string, error) { return "", b.Failed() })
	ops.Ready("broker", func(context.Context) (string, error) { return "takes connections on " + b.ClientURL(), b.Ready() })
	log.Info("broker up", "name", b.Name(), "clients", b.ClientURL(), "websocket", b.WebsocketURL(), "routes", b.RoutesAddr())
	return daemon.Run(ctx, log, o.broker.DrainTimeout+drainMargin,
		ops.Component(),
		daemon.Component{Name: "broker", Run: b.Run, Drain: b.Drain},
	)
}

// drainMargin lets the server end a drain by itself: it takes the whole of the
// drain timeout when clients stay.
const drainMargin = 2 * time.Second

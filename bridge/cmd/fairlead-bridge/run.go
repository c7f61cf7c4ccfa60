package main

import (
	"context"
	"io"
	"net"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fairlead-io/fairlead/bridge"
	"github.com/fairlead-io/fairlead/broker"
	"github.com/fairlead-io/fairlead/deploy/daemon"
	"github.com/fairlead-io/fairlead/deploy/reachflags"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/natslink/reach"
)

// Bounds of flags, the chart's too.
const (
	// maxIdle is far more than any load balancer keeps a connection.
	maxIdle = 24 * time.Hour
	// maxGrace is longer than callers wait for an answer.
	maxGrace = 5 * time.Minute
)

type runOptions struct {
	listen, publicURL   string
	clusterDomain       string
	insecureHTTP, http2 bool
	idleTimeout         time.Duration
	cert, key, ca       string
	tokens, access      string
	webhooks            string
	tenants, seed       string
	broker              reach.Config
	corsOrigins         []string
	ui                  bool
	embedded            broker.Config
	store               storeOptions
	grace               time.Duration
	drainTimeout        time.Duration
	accessLog           bool
	front               frontOptions
	log                 daemon.LogOptions
	ops                 daemon.OpsOptions
}

func runCommand() *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the bridge",
		Long: `Serves the HTTP API: /k8s/clusters/{cluster}/ for kubectl and client-go, /v1/ for
platform code, /ui/ for people with a browser, /openapi.yaml. It connects to the brokers of --broker-url, or runs
one of its own from the directory of --broker-dir.

HTTPS_PROXY (for tls:// and wss://), HTTP_PROXY (for ws:// and nats://), ALL_PROXY
and NO_PROXY, in upper or lower case, name the forward proxy for the brokers of
--broker-url, and for issuers and services of --access: http, https, socks5 or socks5h.

SIGTERM drains: no new connections, watches end, so that clients resume them at another
bridge, other running requests get --drain-timeout.`,
		Example: `  # with a broker of its own, from what 'fairlead-broker init' made
  fairlead-bridge run --config ./fairlead/bridge.yaml

  # with brokers behind a path of a web server, and a forward proxy
  HTTPS_PROXY=http://proxy:3128 fairlead-bridge run --broker-url wss://git.example.com/-/fairlead/ \
    --bridge-key bridge.nk --tenants tenants.yaml --tokens tokens.yaml --tls-cert tls.crt --tls-key tls.key

  # with brokers that run separately
  fairlead-bridge run --broker-url tls://broker-1:4222,tls://broker-2:4222 --broker-ca ca.crt \
    --bridge-key bridge.nk --tenants tenants.yaml --tokens tokens.yaml --tls-cert tls.crt --tls-key tls.key`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), cmd.ErrOrStderr()) },
	}
	o.flags(cmd.Flags())
	return cmd
}

func (o *runOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.listen, "listen", ":8443", "`address` of the HTTP API")
	f.StringVar(&o.publicURL, "public-url", "", "`URL` at which callers reach the bridge, for kubeconfigs (default: the host that they asked)")
	f.StringVar(&o.clusterDomain, "cluster-domain", "", "`domain` below which each cluster has a host of its own, such as k8s.example.com for prod.acme.k8s.example.com (default: none)")
	f.StringVar(&o.cert, "tls-cert", "", "`file` with the certificate, read again when it changes")
	f.StringVar(&o.key, "tls-key", "", "`file` with its key")
	f.StringVar(&o.ca, "tls-ca", "", "`file` with the CA certificates that kubeconfigs shall trust (default: none, the caller's system decides)")
	f.BoolVar(&o.insecureHTTP, "insecure-http", false, "plain HTTP, for use behind a TLS terminator on the same host: --listen must name a loopback address")
	f.BoolVar(&o.http2, "http2", true, "offer HTTP/2; switch it off behind a proxy that chooses it and then cannot pass exec, attach and port-forward")
	f.DurationVar(&o.idleTimeout, "idle-timeout", bridge.DefaultIdleTimeout,
		"how long a connection may be without a request; longer than a load balancer in front keeps its own")
	f.StringSliceVar(&o.corsOrigins, "cors-allowed-origins", nil, "`origins` of web pages that may call the bridge, such as https://ui.example.com (default: none)")
	f.BoolVar(&o.ui, "ui", true, "serve the fleet page, for people with a browser, at /ui/")
	f.StringVar(&o.tokens, "tokens", "", "`file` with the hashed tokens of callers, read again when it changes")
	f.StringVar(&o.access, "access", "", "`file` that says who may do what: issuers of ID tokens, grants; read again when it changes")
	f.StringVar(&o.webhooks, "webhooks", "", "`file` of webhooks that get events of clusters, read again when it changes; it needs --store-account")
	f.StringVar(&o.tenants, "tenants", "", "`file` with the tenants' account keys, read again when it changes")
	f.StringVar(&o.seed, "bridge-key", "", "`file` with the seed of the signing key of role bridge")
	reachflags.Add(f, "broker-", &o.broker)
	f.StringVar(&o.embedded.Dir, "broker-dir", "", "run a broker from this `directory`, which 'fairlead-broker init' made, instead of --broker-url")
	f.StringVar(&o.embedded.Listen, "broker-listen", "", "`address` of that broker for agents, TLS (default \""+broker.DefaultListen+"\")")
	f.StringVar(&o.embedded.WebsocketListen, "broker-websocket-listen", "", "its `address` for agents by WebSocket, or off (default \""+broker.DefaultWebsocketListen+"\")")
	f.StringVar(&o.embedded.StoreDir, "broker-store-dir", "", "`directory` of that broker's store for what bridges share (default: it has no store)")
	f.IntVar(&o.embedded.MaxConnects, "broker-max-connects-per-second", broker.DefaultMaxConnects, "most `connections` of agents that that broker admits a second, 0 for any; more than that wait, or are refused and come again")
	f.Int64Var(&o.embedded.StoreMax, "broker-store-max", broker.DefaultStoreMax, "most `bytes` of --broker-store-dir")
	f.DurationVar(&o.grace, "reconnect-grace", 4*time.Second,
		"how long requests wait for a cluster whose last agent vanished without goodbye; 0: not at all")
	f.DurationVar(&o.drainTimeout, "drain-timeout", 25*time.Second, "how long running requests may take to end at SIGTERM")
	f.BoolVar(&o.accessLog, "access-log", false, "log every request at level info (otherwise at debug)")
	o.store.flags(f)
	o.front.flags(f)
	daemon.MarkPath(f, "tls-cert", "tls-key", "tls-ca", "tokens", "access", "webhooks", "tenants", "bridge-key", "broker-dir", "broker-store-dir")
	o.log.Flags(f)
	o.ops.Flags(f, "127.0.0.1:8081")
	daemon.ConfigFlag(f)
}

// validate names the first flag at fault.
func (o *runOptions) validate() error {
	if o.tokens == "" && o.access == "" {
		return daemon.Usagef("--tokens is required, or --access")
	}
	for _, f := range []struct{ flag, value string }{
		{"tenants", o.tenants}, {"bridge-key", o.seed},
	} {
		if f.value == "" {
			return daemon.Usagef("--%s is required", f.flag)
		}
	}
	switch {
	case (len(o.broker.Servers) == 0) == (o.embedded.Dir == ""):
		return daemon.Usagef("give exactly one of --broker-url and --broker-dir")
	case !o.insecureHTTP && (o.cert == "" || o.key == ""):
		return daemon.Usagef("--tls-cert and --tls-key are required (--insecure-http for plain HTTP behind a TLS terminator)")
	case o.webhooks != "" && o.store.account == "":
		return daemon.Usagef("--webhooks needs --store-account: without a store that bridges share, events would be lost with a bridge, and each bridge would send its own")
	case o.insecureHTTP && !loopback(o.listen):
		return daemon.Usagef("--insecure-http: %q is open to other hosts, and tokens would cross the network in clear: use --listen 127.0.0.1:8443, or TLS", o.listen)
	}
	for _, d := range []struct {
		flag               string
		value, least, most time.Duration
	}{
		{"--idle-timeout", o.idleTimeout, time.Second, maxIdle},
		{"--reconnect-grace", o.grace, 0, maxGrace},
		{"--drain-timeout", o.drainTimeout, 0, daemon.MaxDrain},
	} {
		if err := daemon.CheckDuration(d.flag, d.value, d.least, d.most); err != nil {
			return err
		}
	}
	if err := o.reachable(); err != nil {
		return err
	}
	return o.store.validate()
}

// reachable checks how brokers are reached, or the embedded one is.
func (o *runOptions) reachable() error {
	if o.embedded.Dir == "" {
		if _, err := o.broker.Check(); err != nil {
			return &daemon.UsageError{Err: err}
		}
		return nil
	}
	switch n := o.embedded.MaxConnects; {
	case n < 0:
		return daemon.Usagef("--broker-max-connects-per-second: %d is negative (0: no limit)", n)
	case n == 0:
		o.embedded.MaxConnects = broker.Unlimited
	}
	return nil
}

// loopback reports whether an address to listen on can be reached only from the
// same host.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}

func (o *runOptions) run(ctx context.Context, stderr io.Writer) error {
	if err := o.validate(); err != nil {
		return err
	}
	edge, err := o.edge()
	if err != nil {
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
	w := &wiring{o: o, id: subjects.NewID('b'), cfg: edge, log: log, ops: ops}
	components, err := w.components()
	if err != nil {
		w.close()
		return err
	}
	return daemon.Run(ctx, log, o.drainTimeout, components...)
}

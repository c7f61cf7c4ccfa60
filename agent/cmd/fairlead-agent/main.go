// Command fairlead-agent connects a Kubernetes cluster to a broker and executes
// what bridges ask, with the permissions of its own service account.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"github.com/fairlead-io/fairlead/agent"
	"github.com/fairlead-io/fairlead/agent/upstream"
	"github.com/fairlead-io/fairlead/deploy/daemon"
	"github.com/fairlead-io/fairlead/deploy/daemon/processors"
	"github.com/fairlead-io/fairlead/deploy/reachflags"
	"github.com/fairlead-io/fairlead/deploy/tracing"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/natslink/reach"
	wire "github.com/fairlead-io/fairlead/subjects/settings"
)

func main() { os.Exit(daemon.Main(newCommand(), os.Args[1:])) }

type options struct {
	agent        agent.Config
	broker       reach.Config
	kubeconfig   string
	context      string
	drainTimeout time.Duration
	log          daemon.LogOptions
	fixed        func(flag string) bool // whether its value was given
	ops          daemon.OpsOptions
}

func newCommand() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "fairlead-agent",
		Short: "Connect this cluster to a Fairlead broker",
		Long: `Connects a Kubernetes cluster to a Fairlead broker, from the inside: no port is
opened. Requests from bridges are executed with the permissions of the agent's
own service account, or of the user in the kubeconfig, and --allow narrows them
further: to verbs, resources, namespaces and the users to act as.

What the platform may set while the agent runs is in --settings-accept. A flag
whose value is given here counts in any case.

The agent never stops trying to reach the broker and the API server; /readyz on
the ops address says whether it has, and why not. It waits for files that are
missing or damaged, and uses new credentials in the file while it runs.

HTTPS_PROXY (for tls:// and wss://), HTTP_PROXY (for ws:// and nats://), ALL_PROXY
and NO_PROXY, in upper or lower case, name the forward proxy for the broker: http,
https, socks5 or socks5h. Credentials for it are in --proxy-credentials or in its
URL. The API server is reached directly, or as a kubeconfig's proxy-url says.`,
		Example: `  # inside a cluster
  fairlead-agent --server tls://broker.example.com:4222 --creds /etc/fairlead/agent.creds

  # behind a path of a reverse proxy, and a forward proxy
  HTTPS_PROXY=http://proxy:3128 fairlead-agent --server wss://git.example.com/-/fairlead/ --creds agent.creds

  # outside, against the cluster of a kubeconfig's context, with the broker's private CA
  fairlead-agent --server tls://localhost:4222 --creds prod.creds --ca ca.crt \
    --kubeconfig ~/.kube/config --context kind`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.fixed = cmd.Flags().Changed
			return o.run(cmd.Context(), cmd.ErrOrStderr())
		},
	}
	o.flags(cmd.Flags())
	cmd.AddCommand(checkAllowCommand(), doctorCommand())
	return cmd
}

// flags declares the flags of the agent, which the doctor takes too.
func (o *options) flags(f *pflag.FlagSet) {
	reachflags.Add(f, "", &o.broker)
	f.StringVar(&o.agent.CredsFile, "creds", "", "`file` with the agent's NATS credentials")
	f.StringVar(&o.agent.Cluster, "cluster", "", "`name` of the cluster that the credentials must be for (default: any)")
	f.StringVar(&o.kubeconfig, "kubeconfig", "", "`file` that says how to reach the API server (default: the pod's service account)")
	f.StringVar(&o.context, "context", "", "`name` of the kubeconfig's context to use (default: its current one)")
	f.BoolVar(&o.agent.ReadsOverHTTP2, "reads-over-http2", false,
		"share the API server's HTTP/2 connections for reads too, instead of up to 64 connections more: for a proxy before it that limits them")
	f.StringVar(&o.agent.AllowFile, "allow", "", "`file` with the list of what callers may do in this cluster (default: all that the agent's credentials allow)")
	f.IntVar(&o.agent.MaxStreams, "max-streams", subjects.MaxStreams, "maximum number of concurrent requests")
	f.StringToStringVar(&o.agent.Labels, "labels", nil, "`key=value` labels of the cluster, for selectors of the platform")
	f.StringSliceVar(&o.agent.SettingsAccept, "settings-accept", []string{wire.Labels, wire.LogLevel},
		"`fields` that the platform may set while the agent runs, where no flag gives their value: labels, logLevel, limits, restrict")
	f.StringVar(&o.agent.Pod, "pod-name", "", "`name` of the agent's pod, for the platform's inventory (default: not told)")
	f.StringVar(&o.agent.Node, "node-name", "", "`name` of the node that the pod runs on, for the platform's inventory (default: not told)")
	f.DurationVar(&o.drainTimeout, "drain-timeout", 25*time.Second,
		"how long running requests may take to end when the agent is stopped")
	o.log.Flags(f)
	o.ops.Flags(f, ":8080")
	daemon.MarkPath(f, "creds", "kubeconfig", "allow")
	daemon.ConfigFlag(f)
}

// validate takes over the flags, and checks them before anything listens. The error names the first
// that is wrong.
func (o *options) validate() error {
	o.agent.Servers, o.agent.Transport = o.broker.Servers, o.broker.Transport
	o.agent.ProxyCredentialsFile, o.agent.ProxyCAFile = o.broker.ProxyCredentialsFile, o.broker.ProxyCAFile
	if err := o.agent.Validate(); err != nil {
		return &daemon.UsageError{Err: err}
	}
	if o.agent.MaxStreams == 0 { // to the package, 0 means the default
		return daemon.Usagef("max-streams: 0 is not between 1 and %d", subjects.MaxStreams)
	}
	if o.context != "" && o.kubeconfig == "" {
		return daemon.Usagef("context: only means something with kubeconfig")
	}
	return daemon.CheckDuration("drain-timeout", o.drainTimeout, 0, daemon.MaxDrain)
}

func (o *options) run(ctx context.Context, stderr io.Writer) error {
	log, level, err := o.log.NewLeveled(stderr)
	if err != nil {
		return err
	}
	if !o.fixed("log-level") {
		o.agent.LogLevel = level
	}
	o.agent.FixedMaxStreams = o.fixed("max-streams")
	if err := o.validate(); err != nil {
		return err
	}
	klog.SetSlogLogger(log) // what client-go has to say
	ops, err := daemon.NewOps(o.ops, log)
	if err != nil {
		return err
	}
	o.agent.LoadKube = func() (*rest.Config, error) { return upstream.LoadConfig(o.kubeconfig, o.context) }
	if _, err := o.agent.LoadKube(); err != nil {
		if errors.Is(err, upstream.ErrNotInCluster) {
			return &daemon.UsageError{Err: err}
		}
		// A file that is missing or damaged may be put right while the agent runs.
	}
	if o.kubeconfig == "" {
		o.agent.Namespace = upstream.OwnNamespace
	}
	o.agent.Logger, o.agent.Registry, o.agent.Version = log, ops.Registry(), daemon.Version().Version
	traces, err := tracing.Open(tracing.Service{Name: "fairlead-agent", Version: daemon.Version().Version}, log, ops.Registry())
	if err != nil {
		return &daemon.ConfigError{Err: err}
	}
	o.agent.Tracer = traces.Tracer()
	a, err := agent.New(o.agent)
	if err != nil {
		return &daemon.ConfigError{Err: errors.Join(err, traces.Close())}
	}
	ops.Live("progress", a.LiveCheck)
	ops.Ready("broker", a.BrokerCheck)
	ops.Ready("api-server", a.APIServerCheck)
	ops.Files("certificate", a.Files)
	if o.agent.AllowFile != "" {
		ops.Ready("allow-list", a.AllowCheck)
		ops.FileMetrics("allow", a.AllowStatus)
	}
	return daemon.Run(ctx, log, o.drainTimeout,
		ops.Component(),
		daemon.Component{Name: "tracing", Run: traces.Run},
		daemon.Component{Name: "processors", Run: processors.Follow},
		daemon.Component{Name: "agent", Run: a.Run, Drain: a.Drain},
	)
}

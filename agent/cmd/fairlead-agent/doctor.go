package main

import (
	"io"
	"log/slog"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"github.com/fairlead-io/fairlead/agent/doctor"
	"github.com/fairlead-io/fairlead/agent/upstream"
	"github.com/fairlead-io/fairlead/deploy/daemon"
	"github.com/fairlead-io/fairlead/deploy/diagnosis"
	"github.com/fairlead-io/fairlead/subjects/cause"
)

const doctorLong = `Looks at the agent's path to each of its brokers and to the API server, a hop after
the other, by the same steps as the agent takes: dns, tcp, proxy, tls, http-upgrade,
nats, jwt, permission, kubernetes. It says what it found at each, and for the hop that
fails what came back, the likely cause and what to do. It warns of certificates and
credentials that end within 14 days, of clocks that differ by more than 5 s, and of
connections that are not encrypted.

It takes the flags, environment and configuration file of the agent, and in the agent's
container the agent's own command line, so that it needs no arguments there. A running agent is not disturbed: the command
connects under a name of its own, takes no requests and changes nothing.

Of several servers one has to work; the others' failures then are warnings.

`

// doctorOptions are those of the agent, and of the report.
type doctorOptions struct {
	options
	out diagnosis.Output
}

func doctorCommand() *cobra.Command {
	var o doctorOptions
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look at every hop to the brokers and to the API server, and say what is wrong",
		Long:  doctorLong + diagnosis.CodesHelp(cause.Hops()...),
		Example: `  kubectl -n fairlead exec deploy/fairlead-agent -- /fairlead-agent doctor
  fairlead-agent doctor --server tls://broker.example.com:4222 --creds prod.creds --kubeconfig ~/.kube/config
  fairlead-agent doctor --config agent.yaml --output json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd, cmd.OutOrStdout()) },
	}
	o.options.flags(cmd.Flags())
	o.out.Flags(cmd.Flags())
	daemon.HideInHelp(cmd, "max-streams", "ops-listen", "reads-over-http2")
	daemon.LikeProcess1(cmd)
	return cmd
}

func (o *doctorOptions) run(cmd *cobra.Command, stdout io.Writer) error {
	if err := o.out.Validate(); err != nil {
		return err
	}
	if err := o.validate(); err != nil {
		return err
	}
	klog.SetSlogLogger(slog.New(slog.DiscardHandler)) // the report says it
	cfg := doctor.Config{
		Link:      o.agent.Link(),
		LoadKube:  func() (*rest.Config, error) { return upstream.LoadConfig(o.kubeconfig, o.context) },
		AllowFile: o.agent.AllowFile, Timeout: o.out.Timeout, Version: daemon.Version().Version,
	}
	if o.kubeconfig == "" {
		cfg.Namespace = upstream.OwnNamespace
	}
	report, err := doctor.Run(cmd.Context(), cfg)
	if err != nil {
		return &daemon.UsageError{Err: err}
	}
	return o.out.Write(stdout, report)
}

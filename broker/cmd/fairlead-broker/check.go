package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/fairlead-io/fairlead/broker"
	"github.com/fairlead-io/fairlead/broker/trust"
	"github.com/fairlead-io/fairlead/deploy/daemon"
)

func checkCommand() *cobra.Command {
	var (
		c     broker.Config
		store string
	)
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Say what a broker would refuse to start with",
		Long: `Judge what a broker would trust: the operator, the system account, and every
account's default permissions, signing keys and roles. Prints each finding and
what to do about it, and how much was judged. 'run' refuses to start on the same
findings.

With --nats-config those accounts are judged that have been pushed to this node.
With --nsc-store it is those that nsc keeps, before they are pushed, and their
users' names and roles too.

Exit codes: 0 nothing found, 1 something found, 2 nothing could be judged.`,
		Example: `  fairlead-broker check --dir ./fairlead
  fairlead-broker check --nats-config resolver.conf
  fairlead-broker check --nsc-store ~/.local/share/nats/nsc/stores/OPERATOR`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			report, err := check(c, store)
			if err != nil {
				return err
			}
			return show(cmd.OutOrStdout(), report)
		},
	}
	f := cmd.Flags()
	trustFlags(f, &c)
	f.StringVar(&store, "nsc-store", "", "`directory` of an operator in nsc's store, instead of --dir")
	daemon.MarkPath(f, "nsc-store")
	return cmd
}

func check(c broker.Config, store string) (*trust.Report, error) {
	if store == "" {
		if err := c.Validate(); err != nil {
			return nil, &daemon.UsageError{Err: err}
		}
		report, err := broker.Check(c)
		return report, unreadable(err)
	}
	if c.Dir != "" || c.NATSConfig != "" || c.ResolverDir != "" {
		return nil, daemon.Usagef("--nsc-store: give nothing else with it")
	}
	report, err := trust.CheckNSCStore(store)
	return report, unreadable(err)
}

func show(out io.Writer, r *trust.Report) error {
	judged := count(r.Accounts, "account") + ", " + count(r.Users, "user")
	if len(r.Findings) == 0 {
		fmt.Fprintf(out, "no faults found in %s\n", judged)
		return nil
	}
	for _, f := range r.Findings {
		fmt.Fprintf(out, "%s:\n", f.Where)
		writeText(out, "  ", f.What)
		writeText(out, "    ", f.Fix)
	}
	return fmt.Errorf("%s in %s", count(len(r.Findings), "fault"), judged)
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// unreadable marks an error about what the command line names as a mistake.
func unreadable(err error) error {
	if err == nil {
		return nil
	}
	return &daemon.ConfigError{Err: err}
}

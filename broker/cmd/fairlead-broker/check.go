package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fairlead-io/fairlead/broker"
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
account's default permissions, signing keys and roles. Prints one line for each
finding and what to do about it, and fails when there are any. 'run' refuses to
start on the same findings.

With --nats-config those accounts are judged that have been pushed to this node.
With --nsc-store it is those that nsc keeps, before they are pushed, and their
users' names and roles too.`,
		Example: `  fairlead-broker check --dir ./fairlead
  fairlead-broker check --nats-config resolver.conf
  fairlead-broker check --nsc-store ~/.local/share/nats/nsc/stores/OPERATOR`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			findings, err := check(c, store)
			if err != nil {
				return err
			}
			for _, f := range findings {
				fmt.Fprintln(cmd.OutOrStdout(), f)
			}
			if len(findings) > 0 {
				return fmt.Errorf("%d findings", len(findings))
			}
			fmt.Fprintln(cmd.OutOrStdout(), "no faults found")
			return nil
		},
	}
	f := cmd.Flags()
	trustFlags(f, &c)
	f.StringVar(&store, "nsc-store", "", "`directory` of an operator in nsc's store, in place of --dir")
	daemon.MarkPath(f, "nsc-store")
	return cmd
}

func check(c broker.Config, store string) ([]broker.Finding, error) {
	if store == "" {
		if err := c.Validate(); err != nil {
			return nil, &daemon.UsageError{Err: err}
		}
		findings, err := broker.Check(c)
		return findings, unreadable(err)
	}
	if c.Dir != "" || c.NATSConfig != "" || c.ResolverDir != "" {
		return nil, daemon.Usagef("--nsc-store: give nothing else with it")
	}
	findings, err := broker.CheckNSCStore(store)
	return findings, unreadable(err)
}

// unreadable marks an error about what the command line names as a mistake.
func unreadable(err error) error {
	if err == nil {
		return nil
	}
	return &daemon.UsageError{Err: err}
}

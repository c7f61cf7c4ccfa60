package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fairlead-io/fairlead/broker"
	"github.com/fairlead-io/fairlead/deploy/daemon"
)

func checkCommand() *cobra.Command {
	var c broker.Config
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Say what a broker would refuse to start with",
		Long: `Judge what a broker would trust: the operator, the system account, and every
account's default permissions, signing keys and roles. Prints one line for each
finding and what to do about it, and fails when there are any. 'run' refuses to
start on the same findings.`,
		Example: `  fairlead-broker check --dir ./fairlead
  fairlead-broker check --nats-config resolver.conf`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := c.Validate(); err != nil {
				return &daemon.UsageError{Err: err}
			}
			findings, err := broker.Check(c)
			if err != nil {
				return err
			}
			for _, f := range findings {
				fmt.Fprintln(cmd.OutOrStdout(), f)
			}
			if len(findings) > 0 {
				return fmt.Errorf("%d findings", len(findings))
			}
			fmt.Fprintln(cmd.OutOrStdout(), "nothing found")
			return nil
		},
	}
	trustFlags(cmd.Flags(), &c)
	return cmd
}

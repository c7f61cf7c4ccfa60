package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/fairlead-io/fairlead/broker/keys"
	"github.com/fairlead-io/fairlead/deploy/daemon"
)

func natsConfigCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "nats-config",
		Short: "Print whom brokers trust as one file",
		Long: `Print what the directory says of trust (operator, system account, the tenants'
accounts) as one file for 'run --nats-config', like 'nsc generate config
--nats-resolver' does: for brokers that are given single files rather than a
directory of their own, as in Kubernetes. It holds no keys.

Brokers read it when they start. 'push' sends them later changes;
print the file again all the same, for nodes that are new.`,
		Example: `  fairlead-broker nats-config --dir ./fairlead > resolver.conf`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir == "" {
				return daemon.Usagef("--dir is required")
			}
			l, err := keys.OpenLayout(dir)
			if err != nil {
				return unreadable(err)
			}
			text, err := l.NATSConfig()
			if err != nil {
				return err
			}
			_, err = io.WriteString(cmd.OutOrStdout(), text)
			return err
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "`directory` that 'fairlead-broker init' made")
	daemon.MarkPath(cmd.Flags(), "dir")
	return cmd
}

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fairlead-io/fairlead/bridge/identity"
	"github.com/fairlead-io/fairlead/deploy/daemon"
)

func tokenCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "token", Short: "Make tokens for callers"}
	var name string
	var clusters []string
	create := &cobra.Command{
		Use:   "new",
		Short: "Print a fresh token, once, and the lines that go into the file of tokens",
		Example: `  fairlead-bridge token new --name ci --clusters prod.acme
  fairlead-bridge token new --name admin --clusters '*' 2>>tokens.yaml`,
		Long: `Prints a fresh token to standard output and the entry for the file of --tokens to
standard error. The token cannot be recovered from the entry.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if name == "" || len(clusters) == 0 {
				return daemon.Usagef("--name and --clusters are required")
			}
			token, hash := identity.NewToken()
			entry, err := identity.Entry(name, hash, clusters)
			if err != nil {
				return &daemon.UsageError{Err: err}
			}
			fmt.Fprint(cmd.ErrOrStderr(), entry)
			fmt.Fprintln(cmd.OutOrStdout(), token)
			return nil
		},
	}
	create.Flags().StringVar(&name, "name", "", "`name` of the caller, for logs")
	create.Flags().StringSliceVar(&clusters, "clusters", nil, "`patterns` of the clusters that it may reach: *, prod.acme, *.acme")
	cmd.AddCommand(create)
	return cmd
}

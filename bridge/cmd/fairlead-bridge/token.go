package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fairlead-io/fairlead/bridge/access/token"
	"github.com/fairlead-io/fairlead/deploy/daemon"
)

func tokenCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "token", Short: "Make tokens for callers"}
	var name, file string
	var clusters []string
	create := &cobra.Command{
		Use:   "new",
		Short: "Print a fresh token, once, and add its hash to a file of tokens",
		Example: `  fairlead-bridge token new --tokens tokens.yaml --name ci --clusters prod.acme > ci.token
  fairlead-bridge token new --tokens tokens.yaml --name admin --clusters '*'`,
		Long: `Adds an entry to the file that 'run --tokens' reads, which is made where it does not
exist, and prints the token, and nothing else, to standard output. The token cannot be
recovered from the entry. The file is replaced in one step, so that a bridge never sees
half of it; one that a bridge would refuse is left as it is. For a tokens file that is
kept elsewhere (a Secret, another host), name a file that does not exist and take the
entry from it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" || name == "" || len(clusters) == 0 {
				return daemon.Usagef("--tokens, --name and --clusters are required")
			}
			fresh, hash := token.New()
			if _, err := token.Entry(name, hash, clusters); err != nil {
				return &daemon.UsageError{Err: err}
			}
			if err := token.Add(file, name, hash, clusters); err != nil {
				return fmt.Errorf("add to the tokens: %w", err)
			}
			if _, err := fmt.Fprintln(cmd.OutOrStdout(), fresh); err != nil {
				return fmt.Errorf("print the token, whose entry %q is in %s and can be removed: %w", name, file, err)
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "%q was added to %s, which a running bridge notices within a second. The token on standard output\n"+
				"is shown this once; it is sent as \"Authorization: Bearer TOKEN\", for example to /v1/clusters.\n", name, file)
			return nil
		},
	}
	create.Flags().StringVar(&file, "tokens", "", "`file` of tokens to add the entry to")
	create.Flags().StringVar(&name, "name", "", "`name` of the caller, for logs")
	create.Flags().StringSliceVar(&clusters, "clusters", nil, "`patterns` of the clusters that it may reach: *, prod.acme, *.acme")
	cmd.AddCommand(create)
	return cmd
}

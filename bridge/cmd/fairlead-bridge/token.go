package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead-io/fairlead/bridge/access/token"
	"github.com/fairlead-io/fairlead/deploy/daemon"
)

func tokenCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "token", Short: "Make tokens for callers"}
	n := &newToken{}
	create := &cobra.Command{
		Use:   "new",
		Short: "Print a fresh token, once, and add its hash to a file of tokens",
		Example: `  fairlead-bridge token new --tokens tokens.yaml --name ci --clusters prod.acme > ci.token
  fairlead-bridge token new --tokens tokens.yaml --name admin --clusters '*'
  fairlead-bridge token new --tokens tokens.yaml --name flux --grants-only --expires 720h --owner platform-team`,
		Long: `Adds an entry to the file that 'run --tokens' reads, which is made where it does not
exist, and prints the token, and nothing else, to standard output. The token cannot be
recovered from the entry. The file is replaced in one step, so that a bridge never sees
half of it; one that a bridge would refuse is left as it is. For a tokens file that is
kept elsewhere (a Secret, another host), name a file that does not exist and take the
entry from it.`,
		Args: cobra.NoArgs,
		RunE: n.run,
	}
	f := create.Flags()
	f.StringVar(&n.file, "tokens", "", "`file` of tokens to add the entry to")
	f.StringVar(&n.name, "name", "", "`name` of the caller, for logs")
	f.StringSliceVar(&n.clusters, "clusters", nil, "`patterns` of the clusters that it may reach: *, prod.acme, *.acme")
	f.BoolVar(&n.grantsOnly, "grants-only", false, "the token reaches no clusters but those of grants in the file of 'run --access'")
	f.DurationVar(&n.expires, "expires", 0, "the token ends after this `duration`, such as 720h; without, it does not end")
	f.StringVar(&n.owner, "owner", "", "`name` of the person or team that answers for the token, for audit")
	cmd.AddCommand(create)
	return cmd
}

// newToken is the command 'token new'.
type newToken struct {
	name, file, owner string
	clusters          []string
	grantsOnly        bool
	expires           time.Duration
}

func (n *newToken) run(cmd *cobra.Command, _ []string) error {
	switch {
	case n.file == "" || n.name == "" || len(n.clusters) == 0 && !n.grantsOnly:
		return daemon.Usagef("--tokens, --name and --clusters are required, the last unless there is --grants-only")
	case len(n.clusters) > 0 && n.grantsOnly:
		return daemon.Usagef("--clusters and --grants-only exclude each other")
	case cmd.Flags().Changed("expires") && n.expires < time.Second:
		return daemon.Usagef("--expires: %s is less than a second", n.expires)
	}
	clusters, options := n.clusters, []token.Option{token.Owner(n.owner)}
	if n.grantsOnly {
		clusters = []string{}
	}
	if n.expires > 0 {
		options = append(options, token.Expires(time.Now().Add(n.expires)))
	}
	fresh, hash := token.New()
	if _, err := token.Entry(n.name, hash, clusters, options...); err != nil {
		return &daemon.UsageError{Err: err}
	}
	if err := token.Add(n.file, n.name, hash, clusters, options...); err != nil {
		return fmt.Errorf("add to the tokens: %w", err)
	}
	if _, err := fmt.Fprintln(cmd.OutOrStdout(), fresh); err != nil {
		return fmt.Errorf("print the token, whose entry %q is in %s and can be removed: %w", n.name, n.file, err)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%q was added to %s, which a running bridge notices within a second. The token on standard output\n"+
		"is shown this once; it is sent as \"Authorization: Bearer TOKEN\", for example to /v1/clusters.\n", n.name, n.file)
	return nil
}

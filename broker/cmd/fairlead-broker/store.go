package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fairlead-io/fairlead/broker/keys"
	"github.com/fairlead-io/fairlead/deploy/daemon"
	"github.com/fairlead-io/fairlead/subjects"
)

func storeCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "store", Short: "The account for what bridges share, in a directory made by init", Args: cobra.NoArgs}
	cmd.AddCommand(storeAddCommand(), storeUserCommand())
	return cmd
}

// storeAdd is the account of the shared store, in a directory without it.
type storeAdd struct {
	dir    string
	server string
	noPush bool
}

func storeAddCommand() *cobra.Command {
	var o storeAdd
	cmd := &cobra.Command{
		Use:   "add",
		Short: "Make or update the account for what bridges share and push it to the running brokers",
		Long: `Make the account in which bridges share approvals, audit and recordings, and its
keys, in a directory that 'init' made before there was such an account. Push it
to the running brokers, and print the lines that the configurations of broker and
bridge need. Running it again gives the roles of an account that an older version
made the rights that today's bridges need, and otherwise changes nothing. Update all
brokers first: an older broker refuses to start with the wider roles.

` + eitherOr,
		Example: "  fairlead-broker store add --dir ./fairlead",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.run(cmd.Context(), cmd.OutOrStdout())
		},
	}
	o.flags(cmd.Flags())
	return cmd
}

func (o *storeAdd) flags(f *pflag.FlagSet) {
	f.StringVar(&o.dir, "dir", "", "`directory` that 'fairlead-broker init' made")
	f.StringVar(&o.server, "server", "", "`URL` of a running broker (default: the one given to 'init')")
	f.BoolVar(&o.noPush, "no-push", false, "do not tell a running broker")
	daemon.MarkPath(f, "dir")
}

const storeLines = `Account %[1]s is for what bridges share.

For brokers, in broker.yaml, or in bridge.yaml for a bridge with a broker of its own:
  store-dir: store           # in bridge.yaml: broker-store-dir
For bridges, in bridge.yaml, with %[2]s:
  store-account: %[1]s
  store-key: keys/store.nk
Restart brokers, then bridges.
`

func (o *storeAdd) run(ctx context.Context, out io.Writer) error {
	if o.dir == "" {
		return daemon.Usagef("--dir is required")
	}
	l, err := keys.OpenLayout(o.dir)
	if err != nil {
		return unreadable(err)
	}
	account, accountJWT, err := l.AddPlatform()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, storeLines, account, l.StoreKeyFile())
	if o.noPush {
		fmt.Fprintf(out, "Not pushed: brokers learn of the account when they start with %[1]s, or by: fairlead-broker push --dir %[1]s\n", l.Dir())
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, pushTimeout)
	defer cancel()
	nodes, err := l.Push(ctx, o.server, accountJWT)
	if err != nil {
		return fmt.Errorf("%[1]s has the account, but no broker was notified. Brokers that start with it learn of it then; to notify running brokers: fairlead-broker push --dir %[1]s --server URL: %[2]w", l.Dir(), err)
	}
	fmt.Fprintf(out, "Pushed to %s.\n", strings.Join(nodes, ", "))
	return nil
}

func storeUserCommand() *cobra.Command {
	var (
		dir, name string
		expires   time.Duration
	)
	cmd := &cobra.Command{
		Use:   "user",
		Short: "Print credentials for administering the streams of what bridges share",
		Long: `Print the credentials of a user who administers the streams of what bridges
share: changes their size or copies, saves, restores or deletes them, and makes
consumers of audit events for another system. Whoever has them can change what is
in the streams, approvals included, and is trusted like a bridge. Bridges do not
need them. Clients must be told the user's inbox, which is _INBOX_STEWARD and the name.`,
		Example: `  fairlead-broker store user --dir ./fairlead --name alice --expires 8h > alice.creds
  nats --creds alice.creds --inbox-prefix _INBOX_STEWARD.alice stream edit FAIRLEAD_AUDIT --replicas 3`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir == "" {
				return daemon.Usagef("--dir is required")
			}
			if err := subjects.CheckName(name); err != nil {
				return daemon.Usagef("--name: %w", err)
			}
			if err := checkExpires(expires); err != nil {
				return err
			}
			l, err := keys.OpenLayout(dir)
			if err != nil {
				return unreadable(err)
			}
			creds, err := l.MintSteward(name, after(expires))
			if err != nil {
				return err
			}
			defer clear(creds)
			_, err = cmd.OutOrStdout().Write(creds)
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&dir, "dir", "", "`directory` that 'fairlead-broker init' made")
	f.StringVar(&name, "name", "", "`name` of the user")
	f.DurationVar(&expires, "expires", 8*time.Hour, "`time` until the credentials expire (0: never)")
	daemon.MarkPath(f, "dir")
	return cmd
}

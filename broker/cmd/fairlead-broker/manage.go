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

// pushTimeout bounds connecting to a broker and its answers.
const pushTimeout = 10 * time.Second

// eitherOr stands in the help of every command that changes or pushes accounts.
const eitherOr = `Use these commands or nsc for one operator, not both: each signs and pushes its
own copy of an account, so a push by one undoes the revocations of the other.`

// manage is what the commands that change a directory share.
type manage struct {
	dir    string
	tenant string
	server string
	noPush bool
}

func (m *manage) flags(f *pflag.FlagSet) {
	f.StringVar(&m.dir, "dir", "", "`directory` that 'fairlead-broker init' made")
	f.StringVar(&m.tenant, "tenant", subjects.DefaultTenant, "`name` of the tenant")
	daemon.MarkPath(f, "dir")
}

func (m *manage) pushFlags(f *pflag.FlagSet) {
	f.StringVar(&m.server, "server", "", "`URL` of a running broker (default: the one given to 'init')")
	f.BoolVar(&m.noPush, "no-push", false, "do not tell a running broker")
}

func (m *manage) open() (*keys.Layout, error) {
	if m.dir == "" {
		return nil, daemon.Usagef("--dir is required")
	}
	if err := subjects.CheckName(m.tenant); err != nil {
		return nil, daemon.Usagef("--tenant: %w", err)
	}
	l, err := keys.OpenLayout(m.dir)
	return l, unreadable(err)
}

// push tells the running brokers. The directory has the change already, so a
// broker that does not run learns of it when it starts.
func (m *manage) push(ctx context.Context, out io.Writer, l *keys.Layout, accountJWT string) error {
	if m.noPush {
		fmt.Fprintf(out, "Not pushed: brokers learn of it when they start with %[1]s, or by: fairlead-broker push --dir %[1]s --tenant %[2]s\n", l.Dir(), m.tenant)
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, pushTimeout)
	defer cancel()
	nodes, err := l.Push(ctx, m.server, accountJWT)
	if err != nil {
		return fmt.Errorf("%s has the change, but no broker was notified. Brokers that start with it learn of it then; to notify running brokers: fairlead-broker push --dir %s --tenant %s --server URL: %w",
			l.Dir(), l.Dir(), m.tenant, err)
	}
	fmt.Fprintf(out, "Pushed to %s.\n", strings.Join(nodes, ", "))
	return nil
}

func tenantCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "tenant", Short: "Add and update tenants in a directory made by init", Args: cobra.NoArgs}
	cmd.AddCommand(tenantAddCommand(), tenantUpdateCommand())
	return cmd
}

func tenantAddCommand() *cobra.Command {
	var m manage
	cmd := &cobra.Command{
		Use:     "add",
		Short:   "Make a tenant and push it to the running brokers",
		Long:    "Make a tenant and push it to the running brokers.\n\n" + eitherOr,
		Example: "  fairlead-broker tenant add --dir ./fairlead --tenant globex",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("tenant") { // by the environment counts
				return daemon.Usagef("--tenant is required")
			}
			l, err := m.open()
			if err != nil {
				return err
			}
			accountJWT, err := l.AddTenant(m.tenant)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "Made tenant %s.\n", m.tenant)
			return m.push(cmd.Context(), cmd.OutOrStdout(), l, accountJWT)
		},
	}
	m.flags(cmd.Flags())
	cmd.Flags().Lookup("tenant").DefValue = "" // required here: help shows no default
	m.pushFlags(cmd.Flags())
	return cmd
}

func tenantUpdateCommand() *cobra.Command {
	var m manage
	cmd := &cobra.Command{
		Use:   "update",
		Short: "Give a tenant's role for bridges the rights of this version and push it",
		Long: `Give the role of bridges in a tenant's account the rights that this version's
bridges need and that an older version did not give it, such as to connect by
WebSocket (wss://), and push the account to the running brokers. They drop the
tenant's bridges, which connect again within seconds; agents are not touched. Running
it again changes nothing.

` + eitherOr,
		Example: "  fairlead-broker tenant update --dir ./fairlead --tenant acme",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := m.open()
			if err != nil {
				return err
			}
			accountJWT, changed, err := l.UpdateTenant(m.tenant)
			if err != nil {
				return err
			}
			if changed {
				fmt.Fprintf(cmd.OutOrStdout(), "Role bridge of tenant %s has the rights of this version.\n", m.tenant)
			} else {
				fmt.Fprintf(cmd.OutOrStdout(), "Role bridge of tenant %s has all rights already.\n", m.tenant)
			}
			return m.push(cmd.Context(), cmd.OutOrStdout(), l, accountJWT)
		},
	}
	m.flags(cmd.Flags())
	m.pushFlags(cmd.Flags())
	return cmd
}

func clusterCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "cluster", Short: "Add and revoke clusters in a directory made by init", Args: cobra.NoArgs}
	cmd.AddCommand(clusterAddCommand(), clusterRevokeCommand())
	return cmd
}

func clusterAddCommand() *cobra.Command {
	var (
		m       manage
		cluster string
		expires time.Duration
	)
	cmd := &cobra.Command{
		Use:     "add",
		Short:   "Mint credentials for a cluster's agent",
		Long:    "Mint credentials for a cluster's agent. Nothing needs to be pushed.\n\n" + eitherOr,
		Example: "  fairlead-broker cluster add --dir ./fairlead --tenant acme --cluster staging --expires 2160h",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkExpires(expires); err != nil {
				return err
			}
			l, err := m.open()
			if err != nil {
				return err
			}
			if err := subjects.CheckName(cluster); err != nil {
				return daemon.Usagef("--cluster: %w", err)
			}
			file, user, err := l.AddCluster(m.tenant, cluster, after(expires))
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "Wrote %s: user %s.\n", file, user)
			return nil
		},
	}
	f := cmd.Flags()
	m.flags(f)
	f.StringVar(&cluster, "cluster", "", "`name` of the cluster")
	f.DurationVar(&expires, "expires", 0, "`time` until the credentials expire (0: never)")
	return cmd
}

func clusterRevokeCommand() *cobra.Command {
	var (
		m             manage
		cluster, user string
	)
	cmd := &cobra.Command{
		Use:   "revoke",
		Short: "Revoke a cluster's credentials and cut its connections",
		Long: `Revoke a cluster's credentials: the account is signed again with a revocation
and pushed to the running brokers, which cut the agent's connections at once.
The user is read from the cluster's credentials in the directory, which are then
set aside, or given by its public key. If no broker could be notified, the command
fails and can be repeated.

To replace credentials without an interruption: move the old file away, mint new
ones with 'cluster add', give them to the agent, then revoke the old ones with
--user and the key that 'cluster add' printed.

` + eitherOr,
		Example: `  fairlead-broker cluster revoke --dir ./fairlead --tenant acme --cluster prod
  fairlead-broker cluster revoke --dir ./fairlead --tenant acme --user UAX3...`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := m.open()
			if err != nil {
				return err
			}
			if (cluster == "") == (user == "") {
				return daemon.Usagef("--cluster, --user: give exactly one of them")
			}
			var accountJWT string
			if cluster != "" {
				user, accountJWT, err = l.RevokeCluster(m.tenant, cluster)
			} else {
				accountJWT, err = l.RevokeUser(m.tenant, user)
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "Revoked %s.\n", user)
			return m.push(cmd.Context(), cmd.OutOrStdout(), l, accountJWT)
		},
	}
	f := cmd.Flags()
	m.flags(f)
	m.pushFlags(f)
	f.StringVar(&cluster, "cluster", "", "`name` of the cluster")
	f.StringVar(&user, "user", "", "`public key` of the user, instead of --cluster")
	return cmd
}

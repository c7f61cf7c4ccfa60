package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fairlead-io/fairlead/broker/keys"
	"github.com/fairlead-io/fairlead/deploy/daemon"
)

func pushCommand() *cobra.Command {
	var dir, tenant, server string
	cmd := &cobra.Command{
		Use:   "push",
		Short: "Push the directory's tenants to the running brokers",
		Long: `Send the accounts of all tenants, or of one, to a running broker, which passes
them to the nodes that it is connected to. 'tenant add' and 'cluster revoke' do it
by themselves; this is for when they could not. Pushing again does no harm.

` + eitherOr,
		Example: `  fairlead-broker push --dir ./fairlead --server tls://nats.example.com:4222
  fairlead-broker push --dir ./fairlead --tenant acme`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir == "" {
				return daemon.Usagef("--dir is required")
			}
			l, err := keys.OpenLayout(dir)
			if err != nil {
				return &daemon.ConfigError{Err: err}
			}
			return pushTenants(cmd.Context(), cmd.OutOrStdout(), l, server, tenant)
		},
	}
	f := cmd.Flags()
	f.StringVar(&dir, "dir", "", "`directory` that 'fairlead-broker init' made")
	f.StringVar(&tenant, "tenant", "", "`name` of the tenant (default: all)")
	f.StringVar(&server, "server", "", "`URL` of a running broker (default: the one given to 'init')")
	daemon.MarkPath(f, "dir")
	return cmd
}

// pushTenants continues after a tenant that could not be pushed: a revocation of
// another one must not wait for it.
func pushTenants(ctx context.Context, out io.Writer, l *keys.Layout, server, only string) error {
	names := []string{only}
	if only == "" {
		tenants, err := l.Tenants()
		if err != nil {
			return err
		}
		names = slices.Sorted(maps.Keys(tenants))
	}
	var errs []error
	for _, name := range names {
		nodes, err := pushTenant(ctx, l, server, name)
		if err != nil {
			errs = append(errs, fmt.Errorf("tenant %s: %w", name, err))
			continue
		}
		fmt.Fprintf(out, "Pushed %s to %s.\n", name, strings.Join(nodes, ", "))
	}
	if only == "" {
		errs = append(errs, pushPlatform(ctx, out, l, server))
	}
	return errors.Join(errs...)
}

// pushPlatform pushes the account of the platform, if the directory has one.
func pushPlatform(ctx context.Context, out io.Writer, l *keys.Layout, server string) error {
	_, accountJWT, err := l.Platform()
	if errors.Is(err, keys.ErrNoPlatform) {
		return nil
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, pushTimeout)
	defer cancel()
	nodes, err := l.Push(ctx, server, accountJWT)
	if err != nil {
		return fmt.Errorf("account of the platform: %w", err)
	}
	fmt.Fprintf(out, "Pushed the account of the platform to %s.\n", strings.Join(nodes, ", "))
	return nil
}

func pushTenant(ctx context.Context, l *keys.Layout, server, tenant string) (nodes []string, err error) {
	accountJWT, err := l.AccountJWT(tenant)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, pushTimeout)
	defer cancel()
	return l.Push(ctx, server, accountJWT)
}

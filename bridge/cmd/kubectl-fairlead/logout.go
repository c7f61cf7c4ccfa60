package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fairlead-io/fairlead/bridge/cmd/kubectl-fairlead/store"
)

func (p *plugin) logoutCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "logout",
		Short: "Remove the tokens of a login, and revoke them where the issuer can",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return p.logout(cmd.Context()) },
	}
}

func (p *plugin) logout(ctx context.Context) error {
	bridge, err := p.bridgeURL()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	unlock, err := p.store.Lock(ctx, bridge)
	if err != nil {
		return err
	}
	defer unlock()
	s, err := p.store.Session(bridge)
	if errors.Is(err, store.ErrNoSession) {
		fmt.Fprintf(p.stderr, "Not logged in to %s.\n", bridge)
		return nil
	}
	if derr := p.store.Delete(bridge); derr != nil {
		return derr
	}
	if err == nil {
		err = revoke(ctx, s)
	}
	if err != nil { // the tokens are gone from this computer in any case
		fmt.Fprintf(p.stderr, "warning: %v\n", err)
	}
	fmt.Fprintf(p.stderr, "Logged out of %s.\n", bridge)
	return nil
}

func revoke(ctx context.Context, s *store.Session) error {
	if s.RefreshToken == "" {
		return nil
	}
	idp, err := discover(ctx, s.Login)
	if err != nil {
		return fmt.Errorf("revoke the refresh token: %w", err)
	}
	defer idp.Close()
	return idp.Revoke(ctx, s.RefreshToken)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fairlead-io/fairlead/bridge/cmd/kubectl-fairlead/signin"
	"github.com/fairlead-io/fairlead/bridge/cmd/kubectl-fairlead/store"
)

const (
	// renewBefore is how long an ID token must still be good to be given out: time
	// for a request to reach the bridge, and for clocks that differ a little.
	renewBefore = time.Minute
	// renewTimeout bounds a refresh, with the wait for one of another process.
	renewTimeout = time.Minute
)

// session returns the session of a bridge with a token that is good for a while: that of
// a file, or of the login.
func (p *plugin) session(ctx context.Context, bridge string) (s *store.Session, err error) {
	if p.tokenFile != "" {
		s, err = fileSession(bridge, p.tokenFile)
	} else {
		s, err = p.loginSession(ctx, bridge)
	}
	if err != nil || p.bridgeCA == "" {
		return s, err
	}
	with := *s
	with.Login.BridgeCA = p.bridgeCA
	return &with, nil
}

// loginSession returns the session of the login to a bridge, with an ID token that is good
// for a while. It refreshes one that is not, and never asks the user anything.
func (p *plugin) loginSession(ctx context.Context, bridge string) (*store.Session, error) {
	s, err := p.load(bridge)
	if err != nil || p.left(s) > renewBefore {
		return s, err
	}
	ctx, cancel := context.WithTimeout(ctx, renewTimeout)
	defer cancel()
	unlock, err := p.store.Lock(ctx, bridge)
	if err != nil {
		return nil, err
	}
	defer unlock()
	s, err = p.load(bridge) // another process may have refreshed it
	if err != nil || p.left(s) > renewBefore {
		return s, err
	}
	renewed, err := p.renew(ctx, s)
	if err != nil && !errors.Is(err, signin.ErrEnded) && p.left(s) > 0 {
		return s, nil // good for some seconds, in which the issuer may come back
	}
	return renewed, err
}

func (p *plugin) load(bridge string) (*store.Session, error) {
	s, err := p.store.Session(bridge)
	if errors.Is(err, store.ErrNoSession) {
		return nil, fmt.Errorf("not logged in to %s: %s, or give a token with --token-file FILE", bridge, howToLogIn(bridge))
	}
	return s, err
}

func (p *plugin) left(s *store.Session) time.Duration { return s.Expires.Sub(p.now()) }

// renew refreshes a session and saves it, while the lock is held.
func (p *plugin) renew(ctx context.Context, s *store.Session) (*store.Session, error) {
	if s.RefreshToken == "" {
		return nil, fmt.Errorf("the login to %s expired at %s: %s", s.Bridge, s.Expires.Local().Format(time.DateTime), howToLogIn(s.Bridge))
	}
	client, err := discover(ctx, s.Login)
	if err != nil {
		return nil, fmt.Errorf("refresh the login: %w", err)
	}
	defer client.Close()
	t, err := client.Refresh(ctx, s.RefreshToken, s.Subject)
	if errors.Is(err, signin.ErrEnded) {
		return nil, fmt.Errorf("%w: %s", err, howToLogIn(s.Bridge))
	}
	if err != nil {
		return nil, err
	}
	renewed := *s
	renewed.IDToken, renewed.RefreshToken, renewed.Expires = t.IDToken, t.RefreshToken, t.Expires
	if err := p.store.Save(&renewed); err != nil {
		return nil, fmt.Errorf("save the refreshed login: %w", err)
	}
	return &renewed, nil
}

func howToLogIn(bridge string) string { return "run kubectl fairlead login --bridge " + bridge }

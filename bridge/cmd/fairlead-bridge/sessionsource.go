package main

import (
	"context"

	"github.com/fairlead-io/fairlead/bridge/record"
	"github.com/fairlead-io/fairlead/bridge/record/vault"
	"github.com/fairlead-io/fairlead/bridge/store"
	"github.com/fairlead-io/fairlead/deploy/daemon"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/natslink/reach"
)

// open opens the recordings. The archive must be closed.
func (o *sessionsOptions) open(ctx context.Context) (*record.Archive, error) {
	switch {
	case o.dir != "": // also in a bridge's pod, whose environment has the account
		a, err := record.OpenArchive(o.dir)
		if err != nil {
			return nil, daemon.Configf("--dir: %w", err)
		}
		return a, nil
	case o.store.account == "":
		return nil, daemon.Usagef("give --dir, or --store-account with --store-key and --broker-url")
	case len(o.broker.Servers) == 0:
		return nil, daemon.Usagef("--broker-url is required with --store-account")
	}
	if err := o.store.validate(); err != nil {
		return nil, err
	}
	s, err := o.connect(ctx)
	if err != nil {
		return nil, err
	}
	a, err := vault.OpenArchive(ctx, s)
	if err != nil {
		s.Close()
		return nil, err
	}
	return &record.Archive{Shelf: closing{a.Shelf, s}}, nil
}

// connect connects to the shared store, and waits for that.
func (o *sessionsOptions) connect(ctx context.Context) (*store.Store, error) {
	key, err := signingKey("store key", o.store.key)
	if err != nil {
		return nil, err
	}
	b, err := reach.Open(o.broker, nil)
	if err != nil {
		return nil, &daemon.UsageError{Err: err}
	}
	if err := unreadable(b); err != nil {
		return nil, err
	}
	s, err := store.Open(store.Config{ID: subjects.NewID('b'), Account: o.store.account, Key: key, Broker: b})
	if err != nil {
		return nil, &daemon.UsageError{Err: err}
	}
	if err := s.Wait(ctx, store.Timeout); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// closing is a shelf that closes its store.
type closing struct {
	record.Shelf
	store *store.Store
}

func (c closing) Close() {
	c.Shelf.Close()
	c.store.Close()
}

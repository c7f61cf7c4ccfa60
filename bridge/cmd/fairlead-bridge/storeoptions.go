package main

import (
	"bytes"
	"context"
	"net"
	"os"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	"github.com/spf13/pflag"

	"github.com/fairlead-io/fairlead/bridge/access/approval"
	"github.com/fairlead-io/fairlead/bridge/access/approval/bucket"
	"github.com/fairlead-io/fairlead/bridge/access/policy"
	"github.com/fairlead-io/fairlead/bridge/events"
	"github.com/fairlead-io/fairlead/bridge/record/vault"
	"github.com/fairlead-io/fairlead/bridge/store"
	"github.com/fairlead-io/fairlead/broker"
	"github.com/fairlead-io/fairlead/deploy/daemon"
	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/proxy"
	"github.com/fairlead-io/fairlead/subjects/natslink/reach"
)

// maxReplicas is what JetStream allows.
const maxReplicas = 5

// storeOptions say where bridges keep what they share.
type storeOptions struct {
	account, key string
	replicas     int
}

func (o *storeOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.account, "store-account", "", "`public key` of the brokers' account for what bridges share: approvals, audit, recordings (default: this bridge shares nothing)")
	f.StringVar(&o.key, "store-key", "", "`file` with the seed of that account's signing key of role store")
	f.IntVar(&o.replicas, "store-replicas", 0, "`number` of brokers that keep a copy of what this bridge is the first to store (default: 3 in a cluster of brokers, otherwise 1)")
	daemon.MarkPath(f, "store-key")
}

// validate names the first flag at fault.
func (o *storeOptions) validate() error {
	switch {
	case (o.account == "") != (o.key == ""):
		return daemon.Usagef("give both --store-account and --store-key, or neither")
	case o.account != "" && !nkeys.IsValidPublicAccountKey(o.account):
		return daemon.Usagef("--store-account: %q is not the public key of a NATS account (A...)", o.account)
	case o.replicas < 0 || o.replicas > maxReplicas:
		return daemon.Usagef("--store-replicas: %d is not a number from 1 to %d", o.replicas, maxReplicas)
	case o.replicas != 0 && o.account == "":
		return daemon.Usagef("--store-replicas needs --store-account")
	}
	return nil
}

// signingKey reads the seed of an account's signing key. Its errors name the flag.
func signingKey(flag, file string) (nkeys.KeyPair, error) {
	seed, err := os.ReadFile(file)
	if err != nil {
		return nil, daemon.Configf("%s: %w", flag, err)
	}
	key, err := nkeys.FromSeed(bytes.TrimSpace(seed))
	clear(seed)
	if err != nil {
		return nil, daemon.Configf("%s: %s holds no account signing key's seed (SA...), as 'fairlead-broker init' and nsc write it: %w", flag, file, err)
	}
	return key, nil
}

// reach says how to reach the brokers: by network, or in this process. The embedded one
// need not have started yet.
func (w *wiring) reach() (*reach.Broker, nats.InProcessConnProvider, error) {
	if w.o.embedded.Dir != "" {
		return nil, embeddedLater{w}, nil
	}
	if w.remote == nil {
		b, err := reach.Open(w.o.broker, w.log)
		if err != nil {
			return nil, nil, &daemon.UsageError{Err: err}
		}
		if err := unreadable(b); err != nil {
			return nil, nil, err
		}
		w.ops.Follow(b.Files()...)
		b.WarnInTheClear(w.log)
		w.remote = b
	}
	return w.remote, nil, nil
}

// proxies is how issuers and services are reached: through the same forward proxies, and
// with the same logins, as brokers that run elsewhere.
func (w *wiring) proxies() (*proxy.Proxies, error) {
	remote, _, err := w.reach()
	switch {
	case err != nil:
		return nil, err
	case remote != nil:
		return remote.Proxies(), nil
	}
	return w.o.broker.Proxies(), nil
}

// unreadable returns which file of a broker's cannot be used; nil: they all can.
func unreadable(b *reach.Broker) error {
	if f := cause.Of(b.Read()); f != nil {
		return daemon.Configf("%s", f.Got)
	}
	return nil
}

// embeddedLater connects to the embedded broker once it has started.
type embeddedLater struct{ w *wiring }

// InProcessConn implements [nats.InProcessConnProvider].
func (e embeddedLater) InProcessConn() (net.Conn, error) {
	if b := e.w.started.Load(); b != nil {
		return b.InProcessConn()
	}
	return nil, store.ErrStarting
}

var _ nats.InProcessConnProvider = (*broker.Broker)(nil)

// openStore connects to the shared store in the background, and opens the log of events
// that is in it. Where the bridge has none, the log is in memory.
func (w *wiring) openStore() ([]daemon.Component, error) {
	if w.o.store.account == "" {
		w.cfg.Events = events.NewMemory()
		return nil, nil
	}
	key, err := signingKey("store key", w.o.store.key)
	if err != nil {
		return nil, err
	}
	remote, local, err := w.reach()
	if err != nil {
		return nil, err
	}
	w.store, err = store.Open(store.Config{
		ID: w.id, Account: w.o.store.account, Key: key, Broker: remote, InProcess: local,
		Replicas: w.o.store.replicas, Logger: w.log, OnFailure: w.failures.Note,
	})
	if err != nil {
		return nil, &daemon.UsageError{Err: err}
	}
	w.ops.Registry().MustRegister(w.store)
	// A bridge without its store serves what needs none of it, and no other bridge would
	// have one.
	w.ops.Ready("store", func(context.Context) (string, error) {
		if err := w.store.Err(); err != nil {
			if f := cause.Of(err); f != nil {
				return "ok, but " + store.ErrUnavailable.Error() + ": " + f.Full(), nil
			}
			return "ok, but " + err.Error(), nil
		}
		if err := w.store.Missing(); err != nil {
			return "connected, but " + err.Error(), nil
		}
		if err := w.store.Unanswered(); err != nil {
			return "connected, but " + err.Error(), nil
		}
		return "connected", nil
	})
	log := events.NewDurable(w.store, w.log)
	w.ops.Registry().MustRegister(log)
	w.cfg.Events = log
	return []daemon.Component{
		{Name: "store", Run: func(ctx context.Context) error {
			<-ctx.Done()
			w.store.Close()
			return nil
		}},
		{Name: "events", Run: log.Run}, // stops first, since it then writes what waits
	}, nil
}

// shared is what the access file may put into the shared store.
func (w *wiring) shared() (s policy.Shared) {
	if w.store != nil {
		s.Approvals = func() approval.Store { return bucket.New(w.store, w.log) }
		s.Recordings = vault.New(w.store)
	}
	return s
}

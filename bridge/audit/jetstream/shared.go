package jetstream

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-io/fairlead/bridge/store"
	"github.com/fairlead-io/fairlead/subjects"
)

// shared is the stream of the bridges' shared store. It is used by one goroutine.
type shared struct {
	store  *store.Store
	config jetstream.StreamConfig
	opened bool
	failed bool // the last write has
}

const (
	// sharedTimeout bounds a write to the shared store. It leaves a request that waits for
	// its event the time to be told why there is none.
	sharedTimeout = 8 * time.Second
	// failedTimeout bounds a write after one that has failed, so that what waits behind it
	// is told as well.
	failedTimeout = 2 * time.Second
)

// errNoStore says what a configuration that is shared needs.
var errNoStore = errors.New("shared: this bridge has no shared store: give it --store-account and --store-key")

// OpenShared returns a sink that publishes to the bridges' shared store, whose stream it
// creates if there is none. The store outlives it.
func OpenShared(c Config, s *store.Store) (*Sink, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	if s == nil {
		return nil, errNoStore
	}
	return &Sink{
		shared: &shared{store: s, config: store.Audit(c.maxBytes(), c.MaxAge)}, js: s.JetStream(), subject: subjects.StoreAuditSubject,
	}, nil
}

// open makes sure that the stream is there, and one that keeps what it acknowledges. A
// nil *shared has none to look at.
func (s *shared) open(ctx context.Context) error {
	if s == nil || s.opened {
		return nil
	}
	_, err := s.store.Stream(ctx, s.config)
	s.opened = err == nil
	return err
}

// works is called after a write that has not failed.
func (s *shared) works() {
	if s != nil {
		s.failed = false
	}
}

// timeout bounds a write.
func (s *Sink) timeout() time.Duration {
	switch {
	case s.shared == nil:
		return writeTimeout
	case s.shared.failed:
		return failedTimeout
	}
	return sharedTimeout
}

// lostSince is since when there has been no connection; zero: there is one.
func (s *Sink) lostSince() time.Time {
	if s.shared != nil {
		return s.shared.store.Lost()
	}
	if since := s.lost.Load(); since != 0 {
		return time.Unix(0, since)
	}
	return time.Time{}
}

// explain says what is known of why the shared store does not take events. The stream is
// looked at again before the next ones.
func (s *Sink) explain(err error) error {
	if s.shared == nil {
		return err
	}
	s.shared.opened, s.shared.failed = false, true
	return s.shared.store.Explain(err)
}

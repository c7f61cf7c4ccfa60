package tenant

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/subjects/natslink/reach"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// Config configures a [Pool]. ID, Key and Tenants are needed, and Broker or
// InProcess; the zero value of the rest is the documented default.
type Config struct {
	// ID is the bridge's id, from subjects.NewID('b').
	ID string
	// Key is the signing key of role bridge.
	Key nkeys.KeyPair
	// Tenants returns the current list. It is called every 250 ms, by one
	// goroutine.
	Tenants func() List
	// Broker is how the broker is reached.
	Broker *reach.Broker
	// InProcess connects to an embedded broker instead.
	InProcess nats.InProcessConnProvider
	// OnFailure, if not nil, is called for each failure to connect and each loss. It
	// must not block.
	OnFailure func(*cause.Failure)
	// Idle is how long an unused connection stays open: at least this long, and
	// at most one and a half times. Default 10 min.
	Idle time.Duration
	// UserTTL is how long a minted user is valid. Default 1 h.
	UserTTL time.Duration
	// Directory configures each tenant's directory. Query, Clusters and
	// OpenTimeout are filled in.
	Directory directory.Config
	// Stream configures the engine.
	Stream stream.Config
	// Logger gets connections made and lost. Default: discard.
	Logger *slog.Logger
}

const (
	defaultIdle    = 10 * time.Minute
	defaultUserTTL = time.Hour
	// openTimeout bounds the wait for a connection that is being opened, counted
	// from when that began. It covers a slow TLS handshake.
	openTimeout = 5 * time.Second
	// openRetry is the least time between two attempts to open a connection after
	// a failure that is final. Each attempt costs a key and a log line.
	openRetry = 5 * time.Second
	// followInterval is the time between two checks of the list of tenants.
	// Together with the time until the file is re-read, a change takes effect
	// within a second.
	followInterval = 250 * time.Millisecond
)

// Validate names the first field at fault.
func (c *Config) Validate() error {
	if err := subjects.CheckName(c.ID); err != nil {
		return fmt.Errorf("id: %w", err)
	}
	if c.Key == nil {
		return errors.New("key: none given")
	}
	if public, err := c.Key.PublicKey(); err != nil || !nkeys.IsValidPublicAccountKey(public) {
		return errors.New("key: not an account signing key (SA...)")
	}
	if c.Tenants == nil {
		return errors.New("tenants: no list given")
	}
	if c.Broker == nil && c.InProcess == nil {
		return errors.New("broker: none given, and no embedded one")
	}
	return nil
}

func (c Config) withDefaults() Config {
	if c.Idle <= 0 {
		c.Idle = defaultIdle
	}
	if c.UserTTL <= 0 {
		c.UserTTL = defaultUserTTL
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.OnFailure == nil {
		c.OnFailure = func(*cause.Failure) {}
	}
	c.Directory.OpenTimeout = openTimeout
	return c
}

package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/subjects/natslink"
	"github.com/fairlead-io/fairlead/subjects/natslink/reach"
)

const (
	// Timeout bounds the wait for one answer of JetStream: a stream whose leader was
	// lost has another within about 5 s.
	Timeout = 8 * time.Second
	// AckTimeout is when a message is sent again that was published without waiting for
	// its acknowledgement: the stream's leader may be another one by now.
	AckTimeout = 3 * time.Second
	// defaultUserTTL is how long a minted user is valid, as in the tenants' accounts.
	defaultUserTTL = time.Hour
	// maxReplicas is what JetStream allows.
	maxReplicas = 5
)

// Config configures a [Store]. ID, Account and Key are needed, and Broker or
// InProcess.
type Config struct {
	// ID is the bridge's id, from subjects.NewID('b').
	ID string
	// Account is the public key of the store's account, and Key the signing key of its
	// role store.
	Account string
	Key     nkeys.KeyPair
	// Broker is how the brokers are reached.
	Broker *reach.Broker
	// InProcess connects to an embedded broker instead.
	InProcess nats.InProcessConnProvider
	// Replicas is how many brokers keep each stream that this bridge creates. 0: three
	// where the brokers are a cluster, otherwise one.
	Replicas int
	// UserTTL is how long a minted user is valid. Default 1 h.
	UserTTL time.Duration
	// OnFailure, if not nil, is called for each failure to connect and each loss. It
	// must not block.
	OnFailure func(*cause.Failure)
	// Logger gets connections made and lost. Default: discard.
	Logger *slog.Logger
}

// Validate names the first field at fault.
func (c *Config) Validate() error {
	if err := subjects.CheckName(c.ID); err != nil {
		return fmt.Errorf("id: %w", err)
	}
	if !nkeys.IsValidPublicAccountKey(c.Account) {
		return errors.New("account: not the public key of a NATS account (A...)")
	}
	if c.Key == nil {
		return errors.New("key: none given")
	}
	if public, err := c.Key.PublicKey(); err != nil || !nkeys.IsValidPublicAccountKey(public) {
		return errors.New("key: not an account signing key (SA...)")
	}
	if c.Broker == nil && c.InProcess == nil {
		return errors.New("broker: none given, and no embedded one")
	}
	if c.Replicas < 0 || c.Replicas > maxReplicas {
		return fmt.Errorf("replicas: %d is not a number from 1 to %d; 0 is the default", c.Replicas, maxReplicas)
	}
	return nil
}

// ErrUnavailable is wrapped by every error that says that the store cannot be used
// now.
var ErrUnavailable = errors.New("the bridges' shared store is not available")

// ErrStarting is returned by an in-process broker that this process has not started yet. It
// is no fault, and told to nobody: the attempt is made again.
var ErrStarting = errors.New("the embedded broker has not started")

// errConnecting is why, until the first attempt to connect has ended.
var errConnecting = errors.New("no connection to a broker yet")

// Store is a connection to the store. It is safe for concurrent use.
type Store struct {
	cfg     Config
	log     *slog.Logger
	nc      *nats.Conn
	js      jetstream.JetStream
	metrics *metrics
	// redialer is how brokers are reached, nil for one in this process.
	redialer *reach.Redialer

	abort  context.CancelFunc // ends attempts to connect
	done   chan struct{}
	up     chan struct{} // closed when there is a connection for the first time
	ended  sync.WaitGroup
	minted atomic.Int64 // when the user was minted, Unix seconds
	// answers is whether what was asked was answered.
	answers answers

	mu     sync.Mutex
	down   error                   // why there is no connection; nil: there is one
	alive  context.Context         // ends with the connection
	lose   context.CancelCauseFunc // ends it
	closed bool
	warned map[string]bool // streams with too few replicas
	lost   time.Time       // when the connection was lost, or the store was opened
	rights rights
}

// Open begins to connect, and goes on trying for as long as no broker can be reached.
func Open(cfg Config) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if cfg.UserTTL <= 0 {
		cfg.UserTTL = defaultUserTTL
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.OnFailure == nil {
		cfg.OnFailure = func(*cause.Failure) {}
	}
	ctx, abort := context.WithCancel(context.Background())
	s := &Store{cfg: cfg, metrics: newMetrics(), log: cfg.Logger.With("part", "store"), abort: abort, done: make(chan struct{}), up: make(chan struct{}), down: errConnecting, lost: time.Now()}
	s.alive, s.lose = context.WithCancelCause(context.Background())
	s.lose(fmt.Errorf("%w: %w", ErrUnavailable, errConnecting))
	if err := s.connect(ctx); err != nil {
		abort()
		return nil, fmt.Errorf("store: %w", err)
	}
	s.ended.Go(s.renew)
	return s, nil
}

func (s *Store) connect(ctx context.Context) error {
	user, err := nkeys.CreateUser()
	if err != nil {
		return err
	}
	public, err := user.PublicKey()
	if err != nil {
		return err
	}
	o := natslink.ConnectOptions{
		Name:        "fairlead-bridge " + s.cfg.ID + " store",
		InProcess:   s.cfg.InProcess,
		UserJWT:     func() (string, error) { return s.mint(public) },
		SignNonce:   user.Sign,
		InboxPrefix: subjects.StoreInbox(s.cfg.ID),
		OnUp:        s.onUp,
		OnDown:      s.onDown,
		OnError:     s.onError,
		Logger:      s.log,
	}
	if s.cfg.InProcess == nil {
		s.redialer = s.cfg.Broker.Redialer(ctx)
		o.Dialer = s.redialer
	}
	s.nc, err = natslink.Connect(ctx, o)
	if err != nil {
		return err
	}
	if s.js, err = jetstream.New(s.nc, jetstream.WithPublishAsyncMaxPending(maxPublishing), jetstream.WithPublishAsyncTimeout(AckTimeout), jetstream.WithDefaultTimeout(Timeout)); err != nil {
		s.nc.Close()
	}
	return err
}

// maxPublishing bounds the messages of all users of the store that wait for their
// acknowledgement.
const maxPublishing = 4096

// Err is why the store cannot be used, nil if there is a connection. It wraps
// [ErrUnavailable].
func (s *Store) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, s.down)
	}
	return nil
}

// Connected returns a context that ends with ctx, and as soon as the connection is lost:
// an answer that is due by then does not come. Its cause then wraps [ErrUnavailable].
// release must be called.
func (s *Store) Connected(ctx context.Context) (connected context.Context, release func()) {
	s.mu.Lock()
	alive := s.alive
	s.mu.Unlock()
	connected, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(alive, func() { cancel(context.Cause(alive)) })
	return connected, func() {
		stop()
		cancel(nil)
	}
}

// Started waits until there has been a connection, for at most [StartWait]. Whoever works
// with the store from the start of the process on calls it first: what fails in the moment
// before the first connection would be told as a fault, and is none.
func (s *Store) Started(ctx context.Context) { _ = s.Wait(ctx, StartWait) }

// StartWait bounds [Store.Started]. It is the time that a connection takes where nothing is
// wrong, and as long as a fault may well be told later.
const StartWait = 2 * time.Second

// Wait waits until there is a connection, for at most a time. The error says why there is
// none.
func (s *Store) Wait(ctx context.Context, most time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	select {
	case <-s.up:
	case <-ctx.Done():
	}
	return s.Err()
}

// Lost is since when there has been no connection; zero: there is one.
func (s *Store) Lost() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down == nil {
		return time.Time{}
	}
	return s.lost
}

// JetStream is that of the connection.
func (s *Store) JetStream() jetstream.JetStream { return s.js }

// Hint calls f when somebody publishes to a subject, before it is known whether the
// stream takes it. The subscription ends with the store, or when stop is called. f must
// not block.
func (s *Store) Hint(subject string, f func()) (stop func(), err error) {
	sub, err := s.nc.Subscribe(subject, func(*nats.Msg) { f() })
	if err != nil {
		return nil, s.Explain(err)
	}
	return func() { _ = sub.Unsubscribe() }, nil // an error: the connection was closed
}

// Close ends the connection. It does not wait for a broker that does not respond.
func (s *Store) Close() {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.closed = true
	s.lose(fmt.Errorf("%w: it was closed", ErrUnavailable))
	s.mu.Unlock()
	close(s.done)
	s.abort()
	s.js.CleanupPublisher()
	s.nc.Close()
	s.ended.Wait()
}

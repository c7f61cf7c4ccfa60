package tenant

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/subjects/natslink"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// maxAsking bounds the queries that wait to be sent: as many as there are names
// that a directory remembers without having heard them.
const maxAsking = 1024

var errTooManyQueries = errors.New("too many queries wait to be sent")

var errOpening = errors.New("the connection is being opened")

// Conn is a tenant's connection. It is safe for concurrent use.
type Conn struct {
	cfg    *Config
	tenant string
	entry  Entry
	log    *slog.Logger
	dir    *directory.Directory
	since  time.Time

	// opened is closed when open has ended; the next three may be read then.
	opened chan struct{}
	err    error // why it cannot be used
	nc     *nats.Conn
	link   *natslink.Bridge

	mu      sync.Mutex // guards retired and who tells the directory
	retired bool
	refusal atomic.Pointer[error] // why the broker refuses the bridge; nil: it does not
	failure atomic.Pointer[error] // of the last attempt to connect that was no refusal

	asking chan struct{}  // a token for each query that is being sent
	asked  sync.WaitGroup // those

	users  atomic.Int64 // held and not yet released
	used   atomic.Bool  // since the janitor last looked
	unused time.Time    // the janitor's: first found unused
	minted atomic.Int64 // when the user was minted, Unix seconds
}

func newConn(cfg *Config, tenant string, entry Entry, dir *directory.Directory) *Conn {
	return &Conn{
		cfg: cfg, tenant: tenant, entry: entry, dir: dir, since: time.Now(),
		log: cfg.Logger.With("tenant", tenant), opened: make(chan struct{}),
		asking: make(chan struct{}, maxAsking),
	}
}

// Tenant is the tenant's name.
func (c *Conn) Tenant() string { return c.tenant }

// Directory is what is known of the tenant's clusters.
func (c *Conn) Directory() *directory.Directory { return c.dir }

// Since is when the bridge began to listen to the tenant.
func (c *Conn) Since() time.Time { return c.since }

// query asks all instances of a cluster for their presence. It does not wait:
// nats.go holds the lock that Publish takes while it dials, and while a broker
// that is stuck takes nothing, and requests that can be answered at once ask too.
func (c *Conn) query(cluster string) error {
	select {
	case <-c.opened:
	default:
		return errOpening
	}
	if c.err != nil {
		return c.err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.retired { // and close waits for those before
		return ErrClosed
	}
	select {
	case c.asking <- struct{}{}:
	default:
		return errTooManyQueries
	}
	c.asked.Go(func() {
		_ = c.link.Query(cluster) // one that cannot be sent is one that nobody answers
		<-c.asking
	})
	return nil
}

// Stats are the engine's counts.
func (c *Conn) Stats() stream.Stats { return c.link.Stats() }

// Open opens a stream; see [natslink.Bridge.Open].
func (c *Conn) Open(ctx context.Context, cluster, instance string, first []byte, fin bool) (*stream.Stream, error) {
	return c.link.Open(ctx, cluster, instance, first, fin)
}

// Release gives back what [Pool.Acquire] gave. It must be called once.
func (c *Conn) Release() { c.users.Add(-1) }

func (c *Conn) hold() {
	c.users.Add(1)
	if !c.used.Load() {
		c.used.Store(true)
	}
}

// wait waits until the connection is open, for a bounded time.
func (c *Conn) wait(ctx context.Context) error {
	t := time.NewTimer(openTimeout)
	defer t.Stop()
	select {
	case <-c.opened:
		return nil
	case <-t.C:
		return &directory.UnavailableError{State: directory.Disconnected, Since: c.since}
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// idle reports whether nobody has used c for that long. It is called by the
// janitor alone, under the pool's write lock.
func (c *Conn) idle(now time.Time, limit time.Duration) bool {
	if c.used.Swap(false) || c.users.Load() > 0 {
		c.unused = time.Time{}
		return false
	}
	if c.unused.IsZero() {
		c.unused = now
	}
	return now.Sub(c.unused) >= limit/2
}

// open connects. What fails here is not tried again with this Conn: it cannot
// work. An unreachable broker is no such failure.
func (c *Conn) open() {
	defer close(c.opened)
	if err := c.connect(); err != nil {
		c.err = fmt.Errorf("tenant %s: %w", c.tenant, err)
		c.log.Error("tenant cannot be connected", "error", err)
	}
}

func (c *Conn) connect() error {
	user, err := nkeys.CreateUser()
	if err != nil {
		return fmt.Errorf("make user key: %w", err)
	}
	public, err := user.PublicKey()
	if err != nil {
		return fmt.Errorf("make user key: %w", err)
	}
	c.nc, err = natslink.Connect(context.Background(), natslink.ConnectOptions{
		Name:      "fairlead-bridge " + c.cfg.ID,
		Servers:   c.cfg.Servers,
		TLS:       c.cfg.TLS,
		RootCAs:   c.cfg.RootCAs,
		InProcess: c.cfg.InProcess,
		UserJWT:   func() (string, error) { return c.mint(public) },
		SignNonce: user.Sign,
		OnUp: func() {
			c.refusal.Store(nil)
			if c.tell(true) {
				c.log.Info("connected to the broker")
			}
		},
		OnDown: func(err error) {
			if c.tell(false) && err != nil { // nil: renewed by ourselves
				c.log.Warn("connection to the broker lost", "error", err)
			}
		},
		OnError: c.onError,
		Logger:  c.log,
	})
	if err != nil {
		return err
	}
	c.link, err = natslink.NewBridge(c.nc, natslink.BridgeConfig{
		ID: c.cfg.ID, Stream: c.cfg.Stream, OnPresence: c.dir.Presence, OnAbsent: c.dir.Absent, Logger: c.log,
	})
	if err != nil {
		c.nc.Close()
	}
	return err
}

// Refusal is why the broker refuses the bridge, nil where it does not. It is
// asked again and again: an account that is mended takes the bridge.
func (c *Conn) Refusal() error {
	if err := c.refusal.Load(); err != nil {
		return *err
	}
	return nil
}

// onError is told of failed attempts to connect, among others.
func (c *Conn) onError(err error) {
	if why := explainRefusal(err); why == nil {
		c.failure.Store(&err)
		c.log.Warn("broker connection", "error", err)
		return
	} else if c.refusal.Swap(&why) == nil {
		c.log.Error("the broker refuses the bridge for this tenant; the bridge goes on trying",
			"account", c.entry.Account, "error", why)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.retired {
		c.dir.Refused()
	}
}

// tell passes the link's state on to the directory, which the tenant's next
// connection may own by now.
func (c *Conn) tell(up bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.retired {
		c.dir.Link(up)
	}
	return !c.retired
}

// retire gives the directory up. It comes before close.
func (c *Conn) retire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.retired = true
	c.dir.Link(false)
}

// mint makes a user that the account's role bridge confines.
func (c *Conn) mint(user string) (string, error) {
	now := time.Now()
	claims := jwt.NewUserClaims(user)
	claims.Name = c.cfg.ID
	claims.IssuerAccount = c.entry.Account
	claims.SetScoped(true)
	claims.Expires = now.Add(c.cfg.UserTTL).Unix()
	token, err := claims.Encode(c.cfg.Key)
	if err != nil {
		return "", fmt.Errorf("mint bridge user: %w", err)
	}
	c.minted.Store(now.Unix())
	return token, nil
}

// due reports whether the user has lived for most of its time.
func (c *Conn) due(now time.Time, ttl time.Duration) bool {
	minted := c.minted.Load()
	return minted != 0 && now.Sub(time.Unix(minted, 0)) >= ttl*5/8
}

// renew reconnects, which mints a fresh user. Streams ride over it.
func (c *Conn) renew() {
	select {
	case <-c.opened:
	default:
		return
	}
	if c.err != nil || !c.nc.IsConnected() {
		return // it is being renewed
	}
	if err := c.nc.ForceReconnect(); err != nil {
		c.log.Warn("user not renewed", "error", err)
	}
}

// close ends all streams and the connection.
func (c *Conn) close() {
	<-c.opened
	if c.err != nil {
		return
	}
	_ = c.link.Close()
	c.nc.Close()
	c.asked.Wait()
}

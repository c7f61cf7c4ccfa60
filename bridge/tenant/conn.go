package tenant

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/subjects/natslink"
	"github.com/fairlead-io/fairlead/subjects/natslink/reach"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// maxAsking bounds the goroutines that send queries: as many as a directory remembers names
// that it never heard.
const maxAsking = 1024

var (
	errTooManyQueries = errors.New("too many queries wait to be sent")
	// ErrOpening is returned where a connection is being opened, and is not waited for.
	ErrOpening = errors.New("the connection is being opened")
	// errIdle is why a connection that no request holds is closed.
	errIdle = errors.New("the connection was not used")
)

// Conn is a tenant's connection. It is safe for concurrent use.
type Conn struct {
	cfg     *Config
	tenant  string
	account string // its public key
	log     *slog.Logger
	dir     *directory.Directory
	since   time.Time

	retired    chan struct{}      // closed by retire
	connecting context.Context    // ends at close
	abort      context.CancelFunc // ends connecting
	redialer   *reach.Redialer    // nil with an embedded broker

	// opened is closed when open has ended; only then may the next four be read.
	opened   chan struct{}
	err      error     // why it cannot be used
	failedAt time.Time // if err is not nil
	nc       *nats.Conn
	link     *natslink.Bridge

	status     status
	violations throttle
	failures   repeats // of attempts to connect

	// For the callbacks of nats.go, which come one by one.
	upSince time.Time
	upAt    string        // the server, "" with an embedded broker
	cuts    cause.Regular // lifetimes of connections that others closed

	asking   chan struct{}  // a token for each goroutine that sends queries
	asked    sync.WaitGroup // for them
	checking atomic.Bool    // one of them is Check's

	users  atomic.Int64 // acquired and not yet released
	used   atomic.Bool  // since the janitor's last sweep
	minted atomic.Int64 // when the user was minted, Unix seconds
}

// newConn returns a connection that is to be opened. The directory makes
// requests wait for it from now on.
func newConn(cfg *Config, tenant, account string, dir *directory.Directory) *Conn {
	dir.Opening()
	connecting, abort := context.WithCancel(context.Background())
	c := &Conn{
		retired: make(chan struct{}), connecting: connecting, abort: abort,
		cfg: cfg, tenant: tenant, account: account, dir: dir, since: time.Now(),
		log: cfg.Logger.With("tenant", tenant), opened: make(chan struct{}),
		asking: make(chan struct{}, maxAsking),
	}
	if cfg.InProcess == nil {
		c.redialer = cfg.Broker.Redialer(connecting)
	}
	return c
}

// Tenant is the tenant's name.
func (c *Conn) Tenant() string { return c.tenant }

// Directory says which of the tenant's clusters are connected.
func (c *Conn) Directory() *directory.Directory { return c.dir }

// Since is when the bridge began to listen to the tenant.
func (c *Conn) Since() time.Time { return c.since }

// Retired is closed once the connection is no longer in use: the tenant or its account is
// gone, or the pool is closed. [Pool.Acquire] then returns another one, or says why not.
func (c *Conn) Retired() <-chan struct{} { return c.retired }

// Stats are the engine's counts.
func (c *Conn) Stats() stream.Stats { return c.link.Stats() }

// Refusal is why the broker refuses the bridge, nil if it does not. The bridge keeps
// trying, so that it connects once the account is corrected.
func (c *Conn) Refusal() error {
	st, _ := c.status.get()
	return st.refusal
}

// Open opens a stream; see [natslink.Bridge.Open]. A stream to a cluster that has
// been removed from the list ends at once. If c has been retired, the error is
// [ErrUnknown], [ErrReplaced] or [ErrClosed].
func (c *Conn) Open(ctx context.Context, cluster, instance string, first []byte, fin bool) (*stream.Stream, error) {
	s, err := c.link.Open(ctx, cluster, instance, first, fin)
	switch {
	case err == nil && !c.dir.Listed(cluster):
		// endStreams may have run just before the stream was opened.
		s.Reset(subjects.CodeShutdown, clusterRemoved)
	case errors.Is(err, stream.ErrClosed):
		if st, _ := c.status.get(); st.retired != nil {
			return nil, st.retired
		}
	}
	return s, err
}

// clusterRemoved is the detail of streams that end because their cluster was
// removed.
const clusterRemoved = "the cluster was removed from the list of its tenant's clusters"

// endStreams ends all streams to a cluster. c is open.
func (c *Conn) endStreams(cluster string) {
	c.link.ResetStreams(cluster, subjects.CodeShutdown, clusterRemoved)
}

// Query asks all instances of a cluster for their presence. It does not wait, since
// requests that can be answered at once send queries too. Publish may wait for a lock
// that nats.go holds while it dials, and while it writes to a broker that reads
// nothing.
func (c *Conn) Query(cluster string) error {
	return c.ask(func() { _ = c.link.Query(cluster) })
}

// Heard reports whether an instance with streams of this bridge has sent anything within the
// given time: what it answers may come long after it, on a slow path.
func (c *Conn) Heard(cluster, instance string, within time.Duration) bool {
	return c.isOpen() && c.link.Heard(cluster, instance, within)
}

// SendSettings sends settings to all instances of a cluster; see
// [natslink.Bridge.SendSettings]. It does not wait, and message must not be changed. The
// error says that it cannot be sent now.
func (c *Conn) SendSettings(cluster string, message []byte) error {
	return c.ask(func() { _ = c.link.SendSettings(cluster, message) })
}

// ask sends questions in a goroutine of its own. What cannot be sent counts as unanswered.
func (c *Conn) ask(send func()) error {
	select {
	case <-c.opened:
	default:
		return ErrOpening
	}
	if c.err != nil {
		return c.err
	}
	full := false
	// Once c is retired no query starts, and close waits for earlier ones.
	retired := c.status.whileInUse(func() {
		select {
		case c.asking <- struct{}{}:
			c.asked.Go(func() {
				send()
				<-c.asking
			})
		default:
			full = true
		}
	})
	if full {
		return errTooManyQueries
	}
	return retired
}

// Release gives back what [Pool.Acquire] gave. It must be called once.
func (c *Conn) Release() { c.users.Add(-1) }

func (c *Conn) acquire() {
	c.users.Add(1)
	if !c.used.Load() {
		c.used.Store(true)
	}
}

// inUse reports whether c is acquired, or was since inUse was last called.
// Pool.mu is held for writing.
func (c *Conn) inUse() bool { return c.used.Swap(false) || c.users.Load() > 0 }

// usable reports whether c is a connection that is open or being opened. One that
// could not be opened counts too, for openRetry.
func (c *Conn) usable(now time.Time) bool {
	if c == nil {
		return false
	}
	select {
	case <-c.opened:
		return c.err == nil || now.Sub(c.failedAt) < openRetry
	default:
		return true
	}
}

// isOpen reports whether c is a connection that has been opened.
func (c *Conn) isOpen() bool {
	if c == nil {
		return false
	}
	select {
	case <-c.opened:
		return c.err == nil
	default:
		return false
	}
}

// waitOpen waits until c is open, for at most openTimeout since that began.
func (c *Conn) waitOpen(ctx context.Context) error {
	select {
	case <-c.opened:
		return c.openError()
	default:
	}
	t := time.NewTimer(time.Until(c.since.Add(openTimeout)))
	defer t.Stop()
	select {
	case <-c.opened:
		return c.openError()
	case <-t.C:
		return &directory.UnavailableError{State: directory.Disconnected, Since: c.since}
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// openError is why c, whose open has ended, cannot be used; nil: it can. If c was
// retired while it was being opened, it is the cause of that.
func (c *Conn) openError() error {
	if c.err == nil {
		return nil
	}
	if st, _ := c.status.get(); st.retired != nil && !errors.Is(st.retired, errIdle) {
		return st.retired
	}
	return c.err
}

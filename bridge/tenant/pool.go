package tenant

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// Config configures a [Pool]. ID, Key and Tenants are needed, and Servers or
// InProcess; the zero value of the rest is the documented default.
type Config struct {
	// ID is the bridge's id, from subjects.NewID('b').
	ID string
	// Key is the signing key of role bridge.
	Key nkeys.KeyPair
	// Tenants returns the current list.
	Tenants func() List
	// Servers are the broker's URLs, TLS verifies them. RootCAs, if not nil,
	// is asked for the CAs at each attempt to connect.
	Servers []string
	TLS     *tls.Config
	RootCAs func() (*x509.CertPool, error)
	// InProcess connects to an embedded broker instead.
	InProcess nats.InProcessConnProvider
	// Idle is how long a connection that nobody uses stays open: at least so
	// long, at most one and a half times. Default 10 min.
	Idle time.Duration
	// UserTTL is how long a minted user is good for. Default 1 h.
	UserTTL time.Duration
	// Directory configures each tenant's directory; Query and Clusters are
	// filled in.
	Directory directory.Config
	// Stream configures the engine.
	Stream stream.Config
	// Logger gets connections made and lost. Default: discard.
	Logger *slog.Logger
}

const (
	defaultIdle    = 10 * time.Minute
	defaultUserTTL = time.Hour
	// openTimeout bounds the wait for a connection that is being opened, as
	// long as a request waits for a link that is down.
	openTimeout = 5 * time.Second
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
	if len(c.Servers) == 0 && c.InProcess == nil {
		return errors.New("servers: none given, and no embedded broker")
	}
	return nil
}

// ErrUnknown is returned for a tenant that is not in the list.
var ErrUnknown = errors.New("unknown tenant")

// ErrClosed is returned by a closed pool.
var ErrClosed = errors.New("bridge is shutting down")

// Pool is the bridge's connections. It is safe for concurrent use.
type Pool struct {
	cfg  Config
	done chan struct{}
	wg   sync.WaitGroup

	reached   atomic.Bool           // a broker has taken the bridge for a tenant
	unreached atomic.Pointer[error] // why none has, as far as is known

	// mu guards the rest. A connection is acquired under a read lock, and found
	// to be idle under the write lock.
	mu     sync.RWMutex
	conns  map[string]*Conn
	dirs   map[string]*directory.Directory // of all tenants ever connected
	closed bool
}

// NewPool returns a pool without connections.
func NewPool(cfg Config) (*Pool, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("tenant connections: %w", err)
	}
	if cfg.Idle <= 0 {
		cfg.Idle = defaultIdle
	}
	if cfg.UserTTL <= 0 {
		cfg.UserTTL = defaultUserTTL
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	p := &Pool{cfg: cfg, done: make(chan struct{}), conns: make(map[string]*Conn), dirs: make(map[string]*directory.Directory)}
	p.wg.Go(p.janitor)
	return p, nil
}

// Acquire returns the tenant's connection, which must be released. The error
// is [ErrUnknown], [ErrClosed], ctx's cause, a [*directory.UnavailableError]
// where the broker could not be reached in time, or says why the connection
// cannot be.
func (p *Pool) Acquire(ctx context.Context, tenant string) (*Conn, error) {
	c, err := p.enter(tenant)
	if err != nil {
		return nil, err
	}
	select {
	case <-c.opened:
	default:
		err = c.wait(ctx)
	}
	if err == nil {
		err = c.err
	}
	if err != nil {
		c.Release()
		return nil, err
	}
	return c, nil
}

// Names returns the tenants of the list, sorted.
func (p *Pool) Names() []string {
	l := p.cfg.Tenants()
	names := make([]string, 0, len(l))
	for n := range l {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// Each calls f for every open connection; f must not block.
func (p *Pool) Each(f func(*Conn)) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, c := range p.conns {
		select {
		case <-c.opened:
			if c.err == nil {
				f(c)
			}
		default:
		}
	}
}

// Refused returns the tenants for which the broker refuses the bridge, of those
// that are being used, sorted.
func (p *Pool) Refused() []string {
	var names []string
	p.Each(func(c *Conn) {
		if c.Refusal() != nil {
			names = append(names, c.tenant)
		}
	})
	slices.Sort(names)
	return names
}

// Close resets all streams and closes all connections. It returns when all
// goroutines have ended.
func (p *Pool) Close() {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		p.wg.Wait()
		return
	}
	p.closed = true
	conns := p.conns
	p.conns = nil
	for _, c := range conns {
		c.retire()
	}
	p.mu.Unlock()
	close(p.done)
	for _, c := range conns {
		p.wg.Go(c.close)
	}
	p.wg.Wait()
}

// enter takes hold of the tenant's connection, which it makes where there is
// none.
func (p *Pool) enter(tenant string) (*Conn, error) {
	entry, ok := p.cfg.Tenants()[tenant]
	if !ok {
		return nil, ErrUnknown
	}
	p.mu.RLock()
	c := p.conns[tenant]
	if c != nil && c.entry.Account == entry.Account {
		c.hold()
		p.mu.RUnlock()
		return c, nil
	}
	p.mu.RUnlock()

	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrClosed
	}
	c = p.conns[tenant]
	if c != nil && c.entry.Account == entry.Account {
		c.hold()
		return c, nil
	}
	if c != nil { // the account has changed
		p.drop(c)
		delete(p.dirs, tenant)
	}
	c = newConn(&p.cfg, tenant, entry, p.directory(tenant, entry))
	c.hold()
	p.conns[tenant] = c
	p.wg.Go(c.open)
	return c, nil
}

// directory returns the tenant's directory, which outlives its connections: a
// cluster stays known to be offline. The caller holds mu.
func (p *Pool) directory(tenant string, entry Entry) *directory.Directory {
	if d := p.dirs[tenant]; d != nil {
		return d
	}
	dc := p.cfg.Directory
	dc.Clusters = entry.Clusters
	dc.Query = func(cluster string) error {
		p.mu.RLock()
		c := p.conns[tenant]
		p.mu.RUnlock()
		if c == nil {
			return ErrClosed
		}
		return c.query(cluster)
	}
	d := directory.New(dc)
	d.Link(false)
	p.dirs[tenant] = d
	return d
}

// drop takes a connection out and closes it. The caller holds mu.
func (p *Pool) drop(c *Conn) {
	delete(p.conns, c.tenant)
	c.retire()
	p.wg.Go(c.close)
}

// janitor closes what is idle or no longer listed, and renews users.
func (p *Pool) janitor() {
	t := time.NewTicker(min(p.cfg.Idle/2, p.cfg.UserTTL/8))
	defer t.Stop()
	for {
		select {
		case <-t.C:
			p.sweep(time.Now())
		case <-p.done:
			return
		}
	}
}

func (p *Pool) sweep(now time.Time) {
	list := p.cfg.Tenants()
	var renew []*Conn
	p.mu.Lock()
	for name, c := range p.conns {
		entry, listed := list[name]
		switch {
		case !listed || !entry.equal(c.entry):
			p.cfg.Logger.Info("closing the connection of a tenant whose entry was removed or changed", "tenant", name)
			p.drop(c)
			delete(p.dirs, name)
		case c.idle(now, p.cfg.Idle):
			p.drop(c)
		case c.due(now, p.cfg.UserTTL):
			renew = append(renew, c)
		}
	}
	p.mu.Unlock()
	for _, c := range renew {
		c.renew()
	}
}

func (e Entry) equal(f Entry) bool {
	return e.Account == f.Account && slices.Equal(e.Clusters, f.Clusters)
}

package tenant

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/fairlead-io/fairlead/bridge/directory"
)

var (
	// ErrUnknown is returned for a tenant that is not in the list.
	ErrUnknown = errors.New("unknown tenant")
	// ErrReplaced is returned to requests of a tenant whose account has changed
	// since they began. A new request uses the new account.
	ErrReplaced = errors.New("the tenant's account has changed")
	// ErrClosed is returned by a closed pool.
	ErrClosed = errors.New("bridge is shutting down")
)

// Pool is the bridge's connections. It is safe for concurrent use.
type Pool struct {
	cfg      Config
	done     chan struct{}
	wg       sync.WaitGroup
	progress progress

	// mu guards the rest. A connection is acquired under a read lock, and found
	// to be idle under the write lock.
	mu       sync.RWMutex
	list     List                // as the janitor last saw it
	accounts map[string]*account // by tenant; only tenants that were used
	closed   bool
}

// account is the state of a tenant. It lasts as long as the list names the same NATS
// account for the tenant. Pool.mu guards conn.
type account struct {
	key  string               // the account's public key
	dir  *directory.Directory // outlives the connections: an offline cluster stays known
	conn *Conn                // nil: not connected
}

// NewPool returns a pool without connections.
func NewPool(cfg Config) (*Pool, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("tenant connections: %w", err)
	}
	p := &Pool{
		cfg: cfg.withDefaults(), done: make(chan struct{}), list: cfg.Tenants(), accounts: make(map[string]*account),
	}
	p.wg.Go(newJanitor(p).run)
	return p, nil
}

// Acquire returns the tenant's connection, which must be released. The error
// is [ErrUnknown], [ErrReplaced], [ErrClosed], ctx's cause, a
// [*directory.UnavailableError] if the connection was not opened in time, or the
// reason why it cannot be opened.
func (p *Pool) Acquire(ctx context.Context, tenant string) (*Conn, error) {
	c, err := p.conn(tenant)
	if err != nil {
		return nil, err
	}
	if err := c.waitOpen(ctx); err != nil {
		c.Release()
		return nil, err
	}
	return c, nil
}

// TryAcquire is [Pool.Acquire] without waiting: the error is [ErrOpening] while the
// connection is being opened, which it begins if need be.
func (p *Pool) TryAcquire(tenant string) (*Conn, error) {
	c, err := p.conn(tenant)
	if err != nil {
		return nil, err
	}
	select {
	case <-c.opened:
		err = c.openError()
	default:
		err = ErrOpening
	}
	if err != nil {
		c.Release()
		return nil, err
	}
	return c, nil
}

// conn acquires the tenant's connection. If there is none, it begins to open one.
func (p *Pool) conn(tenant string) (*Conn, error) {
	p.mu.RLock()
	if a := p.accounts[tenant]; a != nil && a.conn.usable(time.Now()) {
		a.conn.acquire()
		p.mu.RUnlock()
		return a.conn, nil
	}
	p.mu.RUnlock()

	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrClosed
	}
	entry, listed := p.list[tenant]
	if !listed {
		return nil, ErrUnknown
	}
	a := p.accounts[tenant]
	if a == nil {
		a = p.newAccount(entry)
		p.accounts[tenant] = a
	}
	if !a.conn.usable(time.Now()) {
		if a.conn != nil {
			p.disconnect(a)
		}
		a.conn = newConn(&p.cfg, tenant, a.key, a.dir)
		p.wg.Go(a.conn.open)
	}
	a.conn.acquire()
	return a.conn, nil
}

// newAccount returns an account without a connection. The caller holds mu.
func (p *Pool) newAccount(entry Entry) *account {
	a := &account{key: entry.Account}
	dc := p.cfg.Directory
	dc.Clusters = entry.Clusters
	dc.Query = func(cluster string) error {
		p.mu.RLock()
		c := a.conn
		p.mu.RUnlock()
		if c == nil {
			return ErrClosed
		}
		return c.Query(cluster)
	}
	a.dir = directory.New(dc)
	return a
}

// disconnect closes the connection of an account that stays in use. The caller
// holds mu.
func (p *Pool) disconnect(a *account) {
	c := a.conn
	a.conn = nil
	c.retire(errIdle)
	p.wg.Go(c.close)
}

// remove closes an account for good, and ends its requests with cause. The caller
// holds mu.
func (p *Pool) remove(tenant string, cause error) {
	a := p.accounts[tenant]
	delete(p.accounts, tenant)
	a.dir.Close(cause)
	if a.conn != nil {
		a.conn.retire(cause)
		p.wg.Go(a.conn.close)
	}
}

// Names returns the tenants of the list, sorted.
func (p *Pool) Names() []string {
	p.mu.RLock()
	defer p.mu.RUnlock()
	names := make([]string, 0, len(p.list))
	for n := range p.list {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// Entry returns what the list says about a tenant; false: it is not in the list.
func (p *Pool) Entry(tenant string) (Entry, bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	e, ok := p.list[tenant]
	return e, ok
}

// Each calls f for every open connection; f must not block.
func (p *Pool) Each(f func(*Conn)) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, a := range p.accounts {
		if a.conn.isOpen() {
			f(a.conn)
		}
	}
}

// Refused returns the tenants in use for which the broker refuses the bridge,
// sorted.
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
	if !p.closed {
		p.closed = true
		close(p.done)
		for tenant := range p.accounts {
			p.remove(tenant, ErrClosed)
		}
	}
	p.mu.Unlock()
	p.wg.Wait()
}

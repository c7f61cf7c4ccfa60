package connection

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/connection/resume"
)

const (
	// silence is how long an attachment may bring nothing, where clients ask every 5 s.
	silence = 30 * time.Second
	// MaxConnections bounds those of a bridge, of which each may have 2 x
	// [resume.Window] in memory.
	MaxConnections = 512
	// maxOfCaller bounds those of a caller.
	maxOfCaller = 32
)

var (
	errHeld    = fmt.Errorf("the client did not come back within %v", resume.Hold)
	errStopped = errors.New("the bridge is shutting down")
)

// owner is whose a connection is.
type owner struct{ issuer, name, method string }

func ownerOf(c *access.Caller) owner { return owner{c.Issuer, c.Name, string(c.Method)} }

// held is a connection.
type held struct {
	id     string
	owner  owner
	prefix string // of all targets
	conn   *resume.Conn
	outer  atomic.Pointer[http.Request] // the latest attachment's

	// Guarded by the table's mutex.
	attached int
	times    int         // how often it was attached or left
	expiry   *time.Timer // of the hold without an attachment; nil: it has one
}

// table has the connections of a bridge.
type table struct {
	mu     sync.Mutex
	conns  map[string]*held
	owners map[owner]int
	// draining: none begins any more.
	draining, closed bool
}

// get returns a connection for an attachment, which [table.leave] ends. A new one is made
// if it is not there and fresh says so.
func (t *table) get(id string, by owner, prefix string, fresh bool) (h *held, made bool, f *answer.Failure) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || t.draining && fresh {
		return nil, false, answer.Failf(answer.Stopping, "%w", errStopped)
	}
	h = t.conns[id]
	if h != nil && (h.owner != by || h.prefix != prefix) {
		h, fresh = nil, false // and whose it is, is nobody's business
	}
	if h == nil && !fresh {
		return nil, false, answer.Failf(answer.UnknownConnection, "this bridge has no connection with that id of the caller; it keeps one "+
			"for %v without an attachment, and another bridge cannot go on with it", resume.Hold)
	}
	if h == nil {
		if n := t.owners[by]; n >= maxOfCaller || len(t.conns) >= MaxConnections {
			return nil, false, answer.Failf(answer.RateLimited, "there are %d connections of the caller, and %d of all, of at most %d and %d; nothing was executed",
				n, len(t.conns), maxOfCaller, MaxConnections)
		}
		h = &held{id: id, owner: by, prefix: prefix, conn: resume.New(resume.Config{Silence: silence, Local: addr{}, Remote: addr{}})}
		if t.conns == nil {
			t.conns, t.owners = map[string]*held{}, map[owner]int{}
		}
		t.conns[id] = h
		t.owners[by]++
		made = true
	}
	h.attached++
	h.times++
	if h.expiry != nil {
		h.expiry.Stop()
		h.expiry = nil
	}
	return h, made, nil
}

// leave ends an attachment. A connection that needs none any more is forgotten.
func (t *table) leave(h *held) {
	t.mu.Lock()
	defer t.mu.Unlock()
	h.attached--
	h.times++
	switch {
	case h.attached > 0:
	case h.conn.Done() || t.closed:
		t.forget(h)
	default:
		times := h.times
		h.expiry = time.AfterFunc(resume.Hold, func() { t.expire(h, times) })
	}
}

func (t *table) expire(h *held, times int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if h.times == times { // else an attachment came at the same moment
		h.conn.Fail(errHeld)
		t.forget(h)
	}
}

// forget removes a connection, if it is there; t.mu is held.
func (t *table) forget(h *held) {
	if t.conns[h.id] != h {
		return
	}
	h.conn.Fail(errStopped) // its requests may go on
	delete(t.conns, h.id)
	if t.owners[h.owner]--; t.owners[h.owner] == 0 {
		delete(t.owners, h.owner)
	}
}

// drain lets no connection begin.
func (t *table) drain() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.draining = true
}

// close ends all connections, and lets none begin.
func (t *table) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for _, h := range t.conns {
		if h.expiry != nil {
			h.expiry.Stop()
			h.expiry = nil
		}
		t.forget(h)
	}
}

// ending returns attached connections that were closed on this side.
func (t *table) ending() (all []*held) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, h := range t.conns {
		if h.attached > 0 && h.conn.Shut() {
			all = append(all, h)
		}
	}
	return all
}

// count is how many connections there are.
func (t *table) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.conns)
}

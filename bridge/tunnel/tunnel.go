package tunnel

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"

	"github.com/fairlead-io/fairlead/bridge/access/limit"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/tenant"
	"github.com/fairlead-io/fairlead/subjects"
)

// Bounds of what the tunnel does with a request. None concerns the length of an
// exchange.
const (
	// lingerBytes is how much of an upload is read and dropped after an early
	// response, for socket.Linger: a connection closed with unread bytes can take
	// the response with it. As net/http does.
	lingerBytes = 256 << 10
	// maxTries bounds how many instances a request is tried on.
	maxTries = 4
)

// ErrStopping is the cause with which the context of every request ends when a
// drain has taken long enough.
var ErrStopping = errors.New("bridge is shutting down")

// Tunnel carries requests. It is safe for concurrent use.
type Tunnel struct {
	// Tenants are the connections to the broker.
	Tenants *tenant.Pool
	// Leaving ends when the bridge begins to drain: watches end then.
	Leaving context.Context
	Logger  *slog.Logger

	upgraded counted
}

// Destination says where a request goes.
type Destination struct {
	Cluster subjects.ClusterRef
	// Name is the cluster as the caller wrote it.
	Name string
	// Target is the request target that the API server gets.
	Target string
	// Prefix is put before it in the bridge's own URLs, so that redirects stay
	// with the cluster; "" if the cluster has a host of its own.
	Prefix string
	// As is the user as whom the agent executes the request; nil: as the agent
	// itself.
	As *subjects.Identity
	// Review asks whether the cluster would allow the request, which is not
	// executed: the response is that to a SelfSubjectAccessReview.
	Review bool
	// Tap sees the bytes of the connection if it is upgraded; nil: nothing does.
	Tap Tap
	// NotUpgraded takes the place of a 400 from the API server, which does not say why a
	// request that has to upgrade its connection did not ask for it; nil: nothing does.
	NotUpgraded *answer.Failure
}

// Lease says how long a request may run, and what it uses.
type Lease interface {
	// Check returns why the caller may no longer reach the cluster, nil if it
	// may. It is cheap while nothing has changed.
	Check(ctx context.Context) *answer.Failure
	// Hold returns a context that ends with ctx, or with an [answer.Failure] as
	// its cause as soon as the caller may no longer reach the cluster. release
	// must be called.
	Hold(ctx context.Context) (held context.Context, release func())
	// Usage is what the request uses of limits; nil: nothing is limited.
	Usage() *limit.Usage
}

// Serve carries a request to a cluster and writes the response, or a failure as a
// Kubernetes Status. It records the outcome in rec; if rec says that the response was
// aborted, the caller must break the connection or the stream.
func (t *Tunnel) Serve(w http.ResponseWriter, r *http.Request, rec *answer.Record, to Destination, lease Lease) {
	rl := &relay{t: t, w: w, r: r, rec: rec, to: to, lease: lease, ctx: r.Context()}
	defer rl.close()
	head, err := rl.open()
	if err != nil {
		rl.fail(err)
	} else {
		rl.answer(head)
	}
	rl.notSwitched()
}

// Upgraded returns how many connections were upgraded and have not ended.
func (t *Tunnel) Upgraded() int64 { return t.upgraded.count() }

// Wait waits until no upgraded connection is left: [http.Server] forgets them
// when they are hijacked. Requests that run meanwhile may upgrade others.
func (t *Tunnel) Wait() { t.upgraded.wait() }

// counted counts running operations. Unlike a [sync.WaitGroup] it may be counted up
// from zero while a goroutine waits, and its count can be read.
type counted struct {
	mu   sync.Mutex
	n    int64
	none chan struct{} // closed when n is zero again; nil: no one waits
}

func (c *counted) add() (done func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	return c.done
}

func (c *counted) done() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n--; c.n == 0 && c.none != nil {
		close(c.none)
		c.none = nil
	}
}

func (c *counted) count() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

func (c *counted) wait() {
	c.mu.Lock()
	if c.n == 0 {
		c.mu.Unlock()
		return
	}
	if c.none == nil {
		c.none = make(chan struct{})
	}
	none := c.none
	c.mu.Unlock()
	<-none
}

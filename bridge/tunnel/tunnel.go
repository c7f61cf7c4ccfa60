package tunnel

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"

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
}

// Lease says how long a request may run.
type Lease interface {
	// Check returns why the caller may no longer reach the cluster, nil if it
	// may. It is cheap while nothing has changed.
	Check() *answer.Failure
	// Hold returns a context that ends with ctx, or with an [answer.Failure] as
	// its cause as soon as the caller may no longer reach the cluster. release
	// must be called.
	Hold(ctx context.Context) (held context.Context, release func())
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
		return
	}
	rl.answer(head)
}

// Upgraded returns how many connections were upgraded and have not ended.
func (t *Tunnel) Upgraded() int64 { return t.upgraded.n.Load() }

// Wait waits until every upgraded connection has ended: [http.Server] forgets
// them when they are hijacked.
func (t *Tunnel) Wait() { t.upgraded.wg.Wait() }

// counted is a WaitGroup whose counter can be read.
type counted struct {
	wg sync.WaitGroup
	n  atomic.Int64
}

func (c *counted) add() (done func()) {
	c.wg.Add(1)
	c.n.Add(1)
	return func() {
		c.n.Add(-1)
		c.wg.Done()
	}
}

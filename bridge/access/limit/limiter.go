package limit

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/subjects"
)

// Caller tells callers apart: the names of two issuers have nothing to do with each
// other.
type Caller struct {
	Method, Issuer, Name string
	// Many says that Name is what callers of many names have in common. They count as
	// one.
	Many bool
}

// Request is what a [Limiter] has to know about a request.
type Request struct {
	Caller  Caller
	Cluster subjects.ClusterRef
	// Grant is the name of the grant that lets the request in, Limits are those of
	// the grant, for all its callers together; nil: none.
	Grant  string
	Limits *Limits
	// Stream says that the request lasts until its caller ends it.
	Stream bool
}

// Limiter has one version of the limits, and what is used of them, which all versions
// share. It is safe for concurrent use. A nil *Limiter limits nothing.
type Limiter struct {
	*state
	config  *Config // nil: no limits but those of grants
	version uint64  // later ones are greater
}

// state is what is used of all limits.
type state struct {
	callers  *lru[Caller]
	grants   *lru[string]
	clusters *lru[subjects.ClusterRef]
	metrics  metrics
	versions atomic.Uint64
}

// New returns a limiter without limits.
func New() *Limiter { return newLimiter(maxIdle) }

func newLimiter(idle int) *Limiter {
	return &Limiter{state: &state{
		callers: newLRU[Caller](idle), grants: newLRU[string](idle), clusters: newLRU[subjects.ClusterRef](idle),
		metrics: newMetrics(),
	}}
}

// With returns the limiter with the limits of c; nil: no limits but those of grants,
// each bridge by itself. What is used of l's is used of the new one's too. While
// requests come to both, the limits of a caller, grant or cluster are those of the later
// version from its first request on.
func (l *Limiter) With(c *Config) *Limiter {
	if c != nil {
		own := *c
		c = &own
	}
	return &Limiter{state: l.state, config: c, version: l.versions.Add(1)}
}

// Admit lets a request in and notes in u what it uses, or returns why it may not
// run. It waits for no longer than ctx lasts. u must be the zero value; [Usage.Done]
// must be called if the request was let in.
func (l *Limiter) Admit(ctx context.Context, u *Usage, r *Request) *answer.Failure {
	if l == nil {
		return nil
	}
	cfg := l.config
	if cfg == nil && r.Limits == nil {
		return nil
	}
	if cfg == nil {
		cfg = &Config{}
	}
	now := time.Now()
	u.limiter, u.stream = l, r.Stream
	u.scopes[ofCaller] = l.callers.use(r.Caller, newCaller)
	u.scopes[ofCaller].configure(cfg.Caller.share(cfg.Bridges), l.version, now)
	u.scopes[ofCluster] = l.clusters.use(r.Cluster, newCluster)
	u.scopes[ofCluster].configure(cfg.Cluster.share(cfg.Bridges), l.version, now)
	if r.Limits != nil && !r.Limits.none() {
		u.scopes[ofGrant] = l.grants.use(r.Grant, newGrant)
		u.scopes[ofGrant].configure(r.Limits.share(cfg.Bridges), l.version, now)
	}
	u.metered = cfg.Caller.BytesPerSecond > 0 || cfg.Cluster.BytesPerSecond > 0 || r.Limits != nil && r.Limits.BytesPerSecond > 0
	if f := u.enter(ctx, now); f != nil {
		u.Done()
		return f
	}
	return nil
}

func newCaller(c Caller) *scope {
	return &scope{kind: ofCaller, name: c.Name, many: c.Many, pipe: new(pipe)}
}
func newGrant(name string) *scope {
	return &scope{kind: ofGrant, name: name, pipe: new(pipe), gate: newGate()}
}
func newCluster(c subjects.ClusterRef) *scope {
	return &scope{kind: ofCluster, name: c.String(), pipe: new(pipe), gate: newGate(), pace: new(pace)}
}

package access

import (
	"context"
	"sync"

	"github.com/fairlead-io/fairlead/bridge/access/limit"
	"github.com/fairlead-io/fairlead/deploy/requestinfo"
	"github.com/fairlead-io/fairlead/subjects"
)

// Request is what an [Authorizer] decides about. It is safe for concurrent use.
type Request struct {
	Cluster subjects.ClusterRef
	Method  string
	// Target is the request target that the API server gets.
	Target string
	// As is the user as whom the caller's own headers ask to act, as those of
	// kubectl --as; nil: they do not.
	As *subjects.Identity

	parse sync.Once
	info  *requestinfo.Info
	err   error
}

// Info returns what an API server makes of the request. It is parsed when it is
// first asked for, and the same from then on.
func (r *Request) Info() (*requestinfo.Info, error) {
	r.parse.Do(func() { r.info, r.err = requestinfo.Parse(r.Method, r.Target) })
	return r.info, r.err
}

// Decision is the permission to make a request. It is never changed.
type Decision struct {
	// Grant is the name of the grant that decided.
	Grant string
	// As is the user as whom the agent executes the request; nil: as the agent
	// itself.
	As *subjects.Identity
	// Valid ends when the decision must be made again, as the grants changed or an
	// approval ended; nil: it holds for as long as the caller's lease does.
	Valid context.Context
	// Record demands that exec and attach are recorded, and sessions of other kinds
	// refused.
	Record bool
	// Limits are those of the grant, which all its callers share; nil: none.
	Limits *limit.Limits
}

// Authorizer decides what callers may do. It is safe for concurrent use.
type Authorizer interface {
	// Authorize returns the decision, or why there is none: an [answer.Failure] is
	// the answer as it is, the text of another error may be shown to the caller in
	// a 403. It waits for no other service after ctx has ended.
	Authorize(ctx context.Context, c *Caller, req *Request) (*Decision, error)
	// Visible reports whether the caller may make any request to the cluster, and
	// so know of it.
	Visible(c *Caller, ref subjects.ClusterRef) bool
	// AuthorizeTenant reports whether the caller may know of any cluster of the
	// tenant.
	AuthorizeTenant(c *Caller, tenant string) bool
}

// Viewer is an [Authorizer] that asks another service who may know of a cluster. It is
// asked by these methods instead of Visible and AuthorizeTenant.
type Viewer interface {
	// View is Visible. err says why there is no answer; it is as that of
	// [Authorizer.Authorize], as is ctx.
	View(ctx context.Context, c *Caller, ref subjects.ClusterRef) (visible bool, err error)
	// ViewTenant is AuthorizeTenant.
	ViewTenant(ctx context.Context, c *Caller, tenant string) (visible bool, err error)
}

// Entrance is an [Authorizer] that can decide about a request and about whether its
// caller may know of the cluster at once, for less than both cost.
type Entrance interface {
	// AuthorizeVisit is [Viewer.View] and, for what is visible, [Authorizer.Authorize].
	// It makes the same decisions, and returns the same errors.
	AuthorizeVisit(ctx context.Context, c *Caller, req *Request) (visible bool, d *Decision, err error)
}

// Explainer is an [Authorizer] that can say why a caller may not know of a cluster.
type Explainer interface {
	// Unseen returns why, as [NoGrant] does. It must be the same for all clusters but
	// for the name, whether or not there is one.
	Unseen(c *Caller, ref subjects.ClusterRef) error
}

// sameUser reports whether both decisions execute a request as the same user. A
// running request cannot become another's.
func (d *Decision) sameUser(other *Decision) bool { return d.As.Equal(other.As) }

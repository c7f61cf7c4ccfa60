package access

import (
	"context"
	"strings"

	"github.com/fairlead-io/fairlead/bridge/access/limit"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/deploy/requestinfo"
	"github.com/fairlead-io/fairlead/subjects"
)

// Admission is a request that was let in: its visitor made it, Cluster is where it goes,
// and Decision says as whom.
type Admission struct {
	Visitor
	Cluster  subjects.ClusterRef
	Decision *Decision

	request Request
	usage   limit.Usage
	upgrade bool // the request may upgrade its connection
}

// Info returns what an API server makes of the request.
func (a *Admission) Info() (*requestinfo.Info, error) { return a.request.Info() }

// Identity returns the user as whom the agent executes the request; nil: as itself.
func (a *Admission) Identity() *subjects.Identity { return a.Decision.As }

// Check decides again whether the request may be made, and returns nil if so. It is
// for requests whose body or response took long to arrive: nothing may be executed for
// a credential that was revoked meanwhile, nor may its caller get a response. It is
// cheap while nothing has changed.
func (a *Admission) Check(ctx context.Context) *answer.Failure {
	caller, ended := a.Caller.current()
	if ended == nil && caller == a.Caller && (a.Decision.Valid == nil || a.Decision.Valid.Err() == nil) {
		return nil
	}
	_, _, f := a.again(ctx, &a.Visitor)
	return f
}

// withdrawn is the failure of a request that was let in once and is not any more.
func withdrawn(f *answer.Failure) *answer.Failure {
	switch f.Kind.Lock {
	case answer.LockAuthentication:
		return f
	case "":
		return answer.Failf(f.Kind, "the grant could not be confirmed: %s", f.Detail)
	case answer.LockApproval:
		return answer.Failf(f.Kind, "the approval under which the request was let in has ended")
	}
	// What was let in once may have been executed.
	return answer.Failf(f.Kind, "the grant was withdrawn: %s", strings.TrimSuffix(f.Detail, "; nothing was executed"))
}

// again decides about the request again by the rules that are in use, because the
// visitor's credential, its grants or the rules have changed. The user as whom it is
// executed must stay the same.
func (a *Admission) again(ctx context.Context, v *Visitor) (now *Visitor, d *Decision, f *answer.Failure) {
	f = v.door.decide(ctx, func(rules *Rules) (f *answer.Failure) {
		if now, f = v.by(ctx, rules); f != nil {
			return f
		}
		d, f = a.decideAgain(ctx, now)
		return f
	})
	if f != nil {
		return nil, nil, withdrawn(f)
	}
	return now, d, nil
}

func (a *Admission) decideAgain(ctx context.Context, v *Visitor) (*Decision, *answer.Failure) {
	d, err := v.Authorizer().Authorize(ctx, v.Caller, &a.request)
	switch {
	case err != nil:
		return nil, failure(answer.Forbidden, err)
	case !d.sameUser(a.Decision):
		return nil, answer.Failf(answer.Forbidden, "grant %q lets the caller act as another user", d.Grant)
	case a.becomesRecorded(d):
		return nil, answer.Failf(answer.Forbidden, "grant %q demands a recording now, and the session has begun without one", d.Grant)
	}
	return d, nil
}

// Hold returns a context that ends with ctx, or with an [answer.Failure] as its
// cause as soon as the request may no longer be made. release must be called.
func (a *Admission) Hold(ctx context.Context) (held context.Context, release func()) {
	h := &hold{again: a.again}
	held, h.cancel = context.WithCancelCause(ctx)
	h.follow(&a.Visitor, a.Decision)
	return held, h.release
}

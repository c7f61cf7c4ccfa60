package access

import (
	"context"
	"net/http"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/subjects"
)

// Door decides which requests may go on to a cluster. It is safe for concurrent
// use.
type Door struct {
	Authenticator Authenticator
	Authorizer    Authorizer
}

// Admission is a request that was let in: Caller made it and may reach Cluster. It
// is safe for concurrent use.
type Admission struct {
	Caller  *Caller
	Cluster subjects.ClusterRef

	authorizer Authorizer
}

// Authenticate identifies the caller and notes its name in rec. Requests to a
// cluster need [Door.Enter].
func (d *Door) Authenticate(r *http.Request, rec *answer.Record) (*Caller, *answer.Failure) {
	caller, err := d.Authenticator.Authenticate(r)
	if err != nil {
		return nil, answer.Failf(answer.Unauthenticated, "%w", err)
	}
	rec.Caller = caller.Name
	return caller, nil
}

// Enter decides whether a request to the cluster that the caller wrote as name is
// let in. It notes the caller and the cluster in rec.
func (d *Door) Enter(r *http.Request, rec *answer.Record, name string) (*Admission, *answer.Failure) {
	caller, f := d.Authenticate(r, rec)
	if f != nil {
		return nil, f
	}
	ref, err := subjects.ParseClusterRef(name)
	if err != nil {
		return nil, answer.Failf(answer.BadClusterName, "%w; a cluster is written prod or prod.tenant", err)
	}
	rec.Cluster = name
	if err := d.Authorizer.Authorize(caller, ref); err != nil {
		return nil, answer.Failf(answer.Forbidden, "%w", err)
	}
	if f := CheckImpersonation(r.Header); f != nil {
		return nil, f.For(name)
	}
	return &Admission{Caller: caller, Cluster: ref, authorizer: d.Authorizer}, nil
}

// CheckImpersonation refuses a header that asks to impersonate another user. The
// request would be executed with the rights of the agent, which may be greater.
func CheckImpersonation(h http.Header) *answer.Failure {
	claimed := ""
	for k := range h {
		if subjects.Impersonates(k) && (claimed == "" || k < claimed) {
			claimed = k
		}
	}
	if claimed == "" {
		return nil
	}
	return answer.Failf(answer.Impersonation, "impersonation through this bridge is not allowed: the request has the header %q; "+
		"nothing was executed", answer.Clip(claimed))
}

// Check decides once more whether the caller may reach the cluster, and returns nil
// if so. It is for requests whose body took long to arrive: nothing may be executed
// for a credential that was revoked meanwhile.
func (a *Admission) Check() *answer.Failure {
	caller := a.Caller
	for caller.Lease.Ended() {
		if caller = caller.Lease.next; caller == nil {
			return answer.Failf(answer.Unauthenticated, "the credential was revoked before the request was complete; nothing was executed")
		}
	}
	if caller == a.Caller {
		return nil
	}
	if err := a.authorizer.Authorize(caller, a.Cluster); err != nil {
		return answer.Failf(answer.Forbidden, "the grant was withdrawn before the request was complete: %w; nothing was executed", err)
	}
	return nil
}

// Hold returns a context that ends with ctx, or with an [answer.Failure] as its
// cause as soon as the caller may no longer reach the cluster. release must be
// called.
func (a *Admission) Hold(ctx context.Context) (held context.Context, release func()) {
	h := &hold{authorizer: a.authorizer, ref: a.Cluster}
	held, h.cancel = context.WithCancelCause(ctx)
	h.follow(a.Caller)
	return held, h.release
}

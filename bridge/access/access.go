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

// Grant says what a request may do: Caller made it and may reach Cluster.
type Grant struct {
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

// Enter decides about a request to the cluster that the caller wrote as name, and
// notes both in rec.
func (d *Door) Enter(r *http.Request, rec *answer.Record, name string) (*Grant, *answer.Failure) {
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
	return &Grant{Caller: caller, Cluster: ref, authorizer: d.Authorizer}, nil
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

// Check decides once more whether the caller may reach the cluster. It is for
// requests whose body took its time: a credential that was revoked meanwhile must
// have no effect later. nil: it may.
func (g *Grant) Check() *answer.Failure {
	caller := g.Caller
	for caller.Lease.Ended() {
		if caller = caller.Lease.next; caller == nil {
			return answer.Failf(answer.Unauthenticated, "the credential was revoked before the request was complete; nothing was executed")
		}
	}
	if caller == g.Caller {
		return nil
	}
	if err := g.authorizer.Authorize(caller, g.Cluster); err != nil {
		return answer.Failf(answer.Forbidden, "the grant was taken away before the request was complete: %w; nothing was executed", err)
	}
	return nil
}

// Hold returns a context that ends with ctx, or with an [answer.Failure] as its
// cause as soon as the caller may no longer reach the cluster. release must be
// called.
func (g *Grant) Hold(ctx context.Context) (held context.Context, release func()) {
	h := &hold{authorizer: g.authorizer, ref: g.Cluster}
	held, h.cancel = context.WithCancelCause(ctx)
	h.follow(g.Caller)
	return held, h.release
}

package access

import (
	"context"
	"errors"
	"net/http"

	"github.com/fairlead-io/fairlead/bridge/access/limit"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/subjects"
)

// Door decides which requests may go on to a cluster. It is safe for concurrent
// use.
type Door struct {
	Authenticator Authenticator
	Authorizer    Authorizer
	Limiter       *limit.Limiter // nil: no limits
}

// Visit is a caller who may know of a cluster.
type Visit struct {
	Caller  *Caller
	Cluster subjects.ClusterRef
	name    string // as the caller wrote it
}

// Authenticate identifies the caller and notes it in rec. Requests to a cluster need
// [Door.Enter].
func (d *Door) Authenticate(r *http.Request, rec *answer.Record) (*Caller, *answer.Failure) {
	caller, err := d.Authenticator.Authenticate(r)
	if err != nil {
		return nil, failure(answer.Unauthenticated, err)
	}
	rec.Caller, rec.UID, rec.Groups, rec.Extra = caller.Name, caller.UID, caller.Groups, caller.Extra
	rec.Method, rec.Issuer = string(caller.Method), caller.Issuer
	return caller, nil
}

// Visit decides whether the caller may know of the cluster that it wrote as name, for
// answers of the bridge itself. Requests to the cluster also need [Door.Admit].
func (d *Door) Visit(r *http.Request, rec *answer.Record, name string) (Visit, *answer.Failure) {
	v, f := d.visit(r, rec, name)
	if f != nil {
		return Visit{}, f
	}
	if header := claimed(r.Header); header != "" {
		return Visit{}, noImpersonation(header).For(name)
	}
	return v, nil
}

func (d *Door) visit(r *http.Request, rec *answer.Record, name string) (Visit, *answer.Failure) {
	caller, f := d.Authenticate(r, rec)
	if f != nil {
		return Visit{}, f
	}
	ref, err := subjects.ParseClusterRef(name)
	if err != nil {
		return Visit{}, answer.Failf(answer.BadClusterName, "%w; a cluster is written prod or prod.tenant", err)
	}
	rec.Cluster = name
	visible, f := d.Visible(r.Context(), caller, ref)
	if f != nil {
		return Visit{}, f.For(name)
	}
	if !visible {
		err := NoGrant(caller, ref)
		if e, ok := d.Authorizer.(Explainer); ok {
			err = e.Unseen(caller, ref)
		}
		return Visit{}, answer.Failf(answer.Forbidden, "%w", err)
	}
	return Visit{Caller: caller, Cluster: ref, name: name}, nil
}

// Enter decides about a request whose method and header are passed to the cluster that
// the caller wrote as name; target is what its API server gets. It notes the caller
// and the operation in rec. [Admission.Done] must be called when the request has ended.
func (d *Door) Enter(r *http.Request, rec *answer.Record, name, target string) (*Admission, *answer.Failure) {
	v, f := d.visit(r, rec, name)
	if f != nil {
		rec.Request, rec.Target = &Request{Method: r.Method, Target: target}, target
		return nil, f
	}
	return d.Admit(r.Context(), rec, v, r.Method, target, r.Header)
}

// Admit decides about a request of a caller who may know of the cluster; target is
// what the API server gets, and header is to be sent with it. [Admission.Done] must be
// called when the request has ended.
func (d *Door) Admit(ctx context.Context, rec *answer.Record, v Visit, method, target string, header http.Header) (*Admission, *answer.Failure) {
	a := &Admission{
		Caller: v.Caller, Cluster: v.Cluster, authorizer: d.Authorizer,
		request: Request{Cluster: v.Cluster, Method: method, Target: target},
	}
	rec.Request, rec.Target = &a.request, target
	as, f := impersonated(header)
	if f != nil {
		return nil, f.For(v.name)
	}
	a.request.As = as
	decision, err := d.Authorizer.Authorize(ctx, v.Caller, &a.request)
	if err != nil {
		return nil, failure(answer.Forbidden, err).For(v.name)
	}
	a.Decision = decision
	rec.Grant, rec.As = decision.Grant, decision.As
	a.upgrade = asksUpgrade(header)
	if f := a.checkRecording(decision); f != nil {
		return nil, f.For(v.name)
	}
	if f := a.limit(ctx, d.Limiter, header); f != nil {
		return nil, f.For(v.name)
	}
	if f := rec.Admitted(ctx); f != nil {
		a.Done()
		return nil, f.For(v.name)
	}
	return a, nil
}

// failure makes an error one of kind, unless it is a failure already.
func failure(kind *answer.Kind, err error) *answer.Failure {
	if f, ok := errors.AsType[*answer.Failure](err); ok {
		return f
	}
	return answer.Failf(kind, "%w", err)
}

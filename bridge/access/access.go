package access

import (
	"context"
	"errors"
	"net/http"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/subjects"
)

// Door decides which requests may go on to a cluster. It is safe for concurrent
// use.
type Door struct {
	// Rules returns the rules that are in use. It is called for each request, and is
	// safe for concurrent use.
	Rules func() *Rules
}

// Authenticate identifies the caller and notes it in rec. Requests to a cluster need
// [Door.Enter].
func (d *Door) Authenticate(r *http.Request, rec *answer.Record) (v *Visitor, f *answer.Failure) {
	v = &Visitor{}
	f = d.decide(r.Context(), func(rules *Rules) (f *answer.Failure) {
		*v, f = d.authenticate(rules, r, rec)
		return f
	})
	return v, f
}

func (d *Door) authenticate(rules *Rules, r *http.Request, rec *answer.Record) (Visitor, *answer.Failure) {
	caller, err := rules.Authenticator.Authenticate(r)
	if err != nil {
		note(rec, &Caller{})
		return Visitor{}, failure(answer.Unauthenticated, err)
	}
	note(rec, caller)
	return Visitor{Caller: caller, door: d, rules: rules, sent: r}, nil
}

func note(rec *answer.Record, c *Caller) {
	rec.Caller, rec.UID, rec.Groups, rec.Extra = c.Name, c.UID, c.Groups, c.Extra
	rec.Method, rec.Issuer = string(c.Method), c.Issuer
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

func (d *Door) visit(r *http.Request, rec *answer.Record, name string) (v Visit, f *answer.Failure) {
	f = d.decide(r.Context(), func(rules *Rules) (f *answer.Failure) {
		v, f = d.visitBy(rules, r, rec, name)
		return f
	})
	return v, f
}

func (d *Door) visitBy(rules *Rules, r *http.Request, rec *answer.Record, name string) (Visit, *answer.Failure) {
	visitor, ref, f := d.arrive(rules, r, rec, name)
	if f != nil {
		return Visit{}, f
	}
	if f := visitor.visit(r.Context(), ref); f != nil {
		return Visit{}, f.For(name)
	}
	return Visit{Visitor: visitor, Cluster: ref, name: name}, nil
}

// arrive identifies the caller, and reads the name of the cluster.
func (d *Door) arrive(rules *Rules, r *http.Request, rec *answer.Record, name string) (Visitor, subjects.ClusterRef, *answer.Failure) {
	visitor, f := d.authenticate(rules, r, rec)
	if f != nil {
		return Visitor{}, subjects.ClusterRef{}, f
	}
	ref, err := subjects.ParseClusterRef(name)
	if err != nil {
		return Visitor{}, subjects.ClusterRef{}, answer.Failf(answer.BadClusterName, "%w; a cluster is written prod or prod.tenant", err)
	}
	rec.Cluster = name
	return visitor, ref, nil
}

// Enter decides about a request whose method and header are passed to the cluster that
// the caller wrote as name; target is what its API server gets. It notes the caller
// and the operation in rec. [Admission.Done] must be called when the request has ended.
// It is [Door.Visit] and [Door.Admit] by one version of the rules.
func (d *Door) Enter(r *http.Request, rec *answer.Record, name, target string) (*Admission, *answer.Failure) {
	ctx := r.Context()
	a := &Admission{request: Request{Method: r.Method, Target: target}, upgrade: asksUpgrade(r.Header)}
	rec.Request, rec.Target = &a.request, target
	var claim *answer.Failure // told only to who may know of the cluster
	a.request.As, claim = impersonated(r.Header)
	f := d.decide(ctx, func(rules *Rules) (f *answer.Failure) {
		if a.Visitor, a.Cluster, f = d.arrive(rules, r, rec, name); f != nil {
			return f
		}
		a.request.Cluster = a.Cluster
		if f = a.enter(ctx, rec, claim); f != nil {
			return f.For(name)
		}
		return nil
	})
	if f != nil {
		return nil, f
	}
	return a.begin(ctx, rec, name, r.Header)
}

// enter decides about the request and about whether its caller may know of the cluster,
// with claim as the failure of its headers.
func (a *Admission) enter(ctx context.Context, rec *answer.Record, claim *answer.Failure) *answer.Failure {
	if e, ok := a.Authorizer().(Entrance); ok && claim == nil {
		rec.Grant, rec.As = "", nil // of rules that were replaced
		visible, decision, err := e.AuthorizeVisit(ctx, a.Caller, &a.request)
		switch {
		case visible:
			return a.decided(rec, decision, err)
		case err != nil:
			return failure(answer.Forbidden, err)
		}
		return a.unseen(a.Cluster)
	}
	if f := a.visit(ctx, a.Cluster); f != nil {
		return f
	}
	if claim != nil {
		return claim
	}
	return a.decide(ctx, rec)
}

// Admit decides about a request of a caller who may know of the cluster; target is
// what the API server gets, and header is to be sent with it. If the rules have changed
// since the visit, that is decided again too. [Admission.Done] must be called when the
// request has ended.
func (d *Door) Admit(ctx context.Context, rec *answer.Record, v Visit, method, target string, header http.Header) (*Admission, *answer.Failure) {
	a := &Admission{Cluster: v.Cluster, request: Request{Cluster: v.Cluster, Method: method, Target: target}, upgrade: asksUpgrade(header)}
	rec.Request, rec.Target = &a.request, target
	as, f := impersonated(header)
	if f != nil {
		return nil, f.For(v.name)
	}
	a.request.As = as
	f = d.decide(ctx, func(rules *Rules) *answer.Failure {
		now := v
		switch {
		case rules == v.rules:
		case v.absent != nil:
			now, f = d.returnBy(ctx, rules, rec, v.absent, v.Cluster)
		default:
			now, f = d.visitBy(rules, v.sent, rec, v.name)
		}
		if f != nil {
			return f
		}
		a.Visitor = now.Visitor
		if f = a.decide(ctx, rec); f != nil {
			return f
		}
		return a.checkAbsent()
	})
	if f != nil {
		return nil, f.For(v.name)
	}
	return a.begin(ctx, rec, v.name, header)
}

// begin takes what the admission needs of the limits, and tells the trail of the request.
func (a *Admission) begin(ctx context.Context, rec *answer.Record, name string, header http.Header) (*Admission, *answer.Failure) {
	if f := a.limit(ctx, a.rules.Limiter, header); f != nil {
		return nil, f.For(name)
	}
	if f := rec.Admitted(ctx); f != nil {
		a.Done()
		return nil, f.For(name)
	}
	return a, nil
}

// decide decides about the request by the visitor's rules.
func (a *Admission) decide(ctx context.Context, rec *answer.Record) *answer.Failure {
	rec.Grant, rec.As = "", nil // of rules that were replaced
	decision, err := a.Authorizer().Authorize(ctx, a.Caller, &a.request)
	return a.decided(rec, decision, err)
}

// decided notes a decision, or why there is none.
func (a *Admission) decided(rec *answer.Record, decision *Decision, err error) *answer.Failure {
	if err != nil {
		f := failure(answer.Forbidden, err)
		rec.Grant = f.Grant
		return f
	}
	a.Decision = decision
	rec.Grant, rec.As = decision.Grant, decision.As
	return a.checkRecording(decision)
}

// failure makes an error one of kind, unless it is a failure already.
func failure(kind *answer.Kind, err error) *answer.Failure {
	if f, ok := errors.AsType[*answer.Failure](err); ok {
		return f
	}
	return answer.Failf(kind, "%w", err)
}

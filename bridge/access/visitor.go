package access

import (
	"context"
	"fmt"
	"net/http"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/subjects"
)

// Visitor is an authenticated caller, with the rules by which it was authenticated: what
// it may do is decided by the same ones. It is never changed.
type Visitor struct {
	Caller *Caller

	door  *Door
	rules *Rules
	sent  *http.Request // with the credential
	// absent is who the visitor was when its request was let in; nil: it is here.
	absent *Absent
}

// Visit is a visitor who may know of a cluster.
type Visit struct {
	Visitor
	Cluster subjects.ClusterRef
	name    string // as the caller wrote it
}

// Name is the cluster as the caller wrote it.
func (v *Visit) Name() string { return v.name }

// Authorizer is that of the rules by which the caller was authenticated.
func (v *Visitor) Authorizer() Authorizer { return v.rules.Authorizer }

// Current returns the visitor by the rules that are in use now, or why it is none any
// more. It is for what is decided after a wait, such as for a request's body.
func (v *Visitor) Current(ctx context.Context) (now *Visitor, f *answer.Failure) {
	f = v.door.decide(ctx, func(rules *Rules) (f *answer.Failure) {
		now, f = v.by(ctx, rules)
		return f
	})
	return now, f
}

// Hold returns a context that ends with ctx, or with an [answer.Failure] as its cause as
// soon as the visitor's credential is no longer valid. It is for answers of the bridge
// itself that last; what a request to a cluster may do is held by its [Admission].
// release must be called.
func (v *Visitor) Hold(ctx context.Context) (held context.Context, release func()) {
	h := &hold{again: func(ctx context.Context, v *Visitor) (*Visitor, *Decision, *answer.Failure) {
		now, f := v.Current(ctx)
		return now, nil, f
	}}
	held, h.cancel = context.WithCancelCause(ctx)
	h.follow(v, nil)
	return held, h.release
}

// by returns the visitor by other rules. The credential is authenticated again if the
// rules are others than before, or if the part of the configuration that vouched for it
// has been replaced.
func (v *Visitor) by(ctx context.Context, rules *Rules) (*Visitor, *answer.Failure) {
	caller, ended := v.Caller.current()
	switch {
	case ended == nil && rules == v.rules:
		if caller == v.Caller {
			return v, nil
		}
		return &Visitor{Caller: caller, door: v.door, rules: rules, sent: v.sent, absent: v.absent}, nil
	case v.absent != nil:
		return v.vouched(rules)
	case ended != nil && !isSuperseded(ended):
		return nil, answer.Failf(answer.Unauthenticated, "%w", ended)
	}
	caller, err := rules.Authenticator.Authenticate(v.sent.WithContext(ctx))
	if err == nil {
		return &Visitor{Caller: caller, door: v.door, rules: rules, sent: v.sent}, nil
	}
	f := failure(answer.Unauthenticated, err)
	if ended != nil && f.Kind == answer.Unauthenticated {
		return nil, answer.Failf(answer.Unauthenticated, "%w: %s", ended, f.Detail)
	}
	return nil, f
}

// Visible reports whether the caller may make any request to the cluster, and so know
// of it.
func (v *Visitor) Visible(ctx context.Context, ref subjects.ClusterRef) (bool, *answer.Failure) {
	asks, ok := v.rules.Authorizer.(Viewer)
	if !ok {
		return v.rules.Authorizer.Visible(v.Caller, ref), nil
	}
	visible, err := asks.View(ctx, v.Caller, ref)
	if err != nil {
		return false, failure(answer.Forbidden, err)
	}
	return visible, nil
}

// May reports whether the caller may make a request to a cluster now. It is for lists: what
// the caller does itself is admitted by [Door.Admit].
func (v *Visitor) May(ctx context.Context, ref subjects.ClusterRef, method, target string) (bool, *answer.Failure) {
	_, err := v.rules.Authorizer.Authorize(ctx, v.Caller, &Request{Cluster: ref, Method: method, Target: target})
	if err == nil {
		return true, nil
	}
	if f := failure(answer.Forbidden, err); f.Kind.Status != http.StatusForbidden {
		return false, f
	}
	return false, nil
}

// TenantVisible reports whether the caller may know of any cluster of the tenant.
func (v *Visitor) TenantVisible(ctx context.Context, tenant string) (bool, *answer.Failure) {
	asks, ok := v.rules.Authorizer.(Viewer)
	if !ok {
		return v.rules.Authorizer.AuthorizeTenant(v.Caller, tenant), nil
	}
	visible, err := asks.ViewTenant(ctx, v.Caller, tenant)
	if err != nil {
		return false, failure(answer.Forbidden, err)
	}
	return visible, nil
}

// visit decides whether the caller may know of a cluster.
func (v *Visitor) visit(ctx context.Context, ref subjects.ClusterRef) *answer.Failure {
	visible, f := v.Visible(ctx, ref)
	if f != nil || visible {
		return f
	}
	return v.unseen(ref)
}

// unseen says why the caller may not know of a cluster.
func (v *Visitor) unseen(ref subjects.ClusterRef) *answer.Failure {
	err := NoGrant(v.Caller, ref)
	if e, ok := v.rules.Authorizer.(Explainer); ok {
		err = e.Unseen(v.Caller, ref)
	}
	return answer.Failf(answer.Forbidden, "%w", err)
}

// Absent is a caller whose request was let in and is made later, when its credential is
// no longer there to be checked.
type Absent struct {
	// Caller is as it was when the request was let in.
	Caller *Caller
	// As is the user as whom the request was to be executed; nil: as the agent itself.
	As *subjects.Identity
}

// Voucher is an [Authenticator] that can say of its callers, without their credentials,
// whether it would still vouch for them.
type Voucher interface {
	// Vouch returns the caller as it is now. known is false where the caller is another
	// authenticator's. err is why it is no longer a caller; its text may be shown to it.
	Vouch(c *Caller) (now *Caller, known bool, err error)
}

// Vouch implements [Voucher]: the first authenticator that knows the caller decides.
func (c Chain) Vouch(caller *Caller) (now *Caller, known bool, err error) {
	for _, a := range c {
		if v, ok := a.(Voucher); ok {
			if now, known, err = v.Vouch(caller); known {
				return now, true, err
			}
		}
	}
	return nil, false, nil
}

// Return is [Door.Visit] for a caller that is absent. What can be known without its
// credential is decided again: that the bridge's configuration still knows callers of its
// kind (a static token by its name), and that it may know of the cluster. [Door.Admit]
// then refuses a request that would be executed as another user than before.
func (d *Door) Return(ctx context.Context, rec *answer.Record, absent Absent, ref subjects.ClusterRef) (v Visit, f *answer.Failure) {
	f = d.decide(ctx, func(rules *Rules) (f *answer.Failure) {
		v, f = d.returnBy(ctx, rules, rec, &absent, ref)
		return f
	})
	return v, f
}

func (d *Door) returnBy(ctx context.Context, rules *Rules, rec *answer.Record, absent *Absent, ref subjects.ClusterRef) (Visit, *answer.Failure) {
	note(rec, absent.Caller)
	rec.Cluster = ref.String()
	visitor := &Visitor{Caller: absent.Caller, door: d, absent: absent}
	visitor, f := visitor.vouched(rules)
	if f != nil {
		return Visit{}, f.For(rec.Cluster)
	}
	note(rec, visitor.Caller)
	if f := visitor.visit(ctx, ref); f != nil {
		return Visit{}, f.For(rec.Cluster)
	}
	return Visit{Visitor: *visitor, Cluster: ref, name: rec.Cluster}, nil
}

// vouched returns an absent visitor by other rules.
func (v *Visitor) vouched(rules *Rules) (*Visitor, *answer.Failure) {
	c := v.absent.Caller
	voucher, ok := rules.Authenticator.(Voucher)
	if !ok {
		return nil, answer.Failf(answer.Unauthenticated, "%w", errNobodyVouches(c))
	}
	now, known, err := voucher.Vouch(c)
	switch {
	case !known:
		return nil, answer.Failf(answer.Unauthenticated, "%w", errNobodyVouches(c))
	case err != nil:
		return nil, answer.Failf(answer.Unauthenticated, "%w", err)
	}
	return &Visitor{Caller: now, door: v.door, rules: rules, absent: v.absent}, nil
}

func errNobodyVouches(c *Caller) error {
	if c.Issuer == "" {
		return fmt.Errorf("the bridge's configuration has no callers by %s any more", c.Method)
	}
	return fmt.Errorf("the bridge's configuration has no callers by %s of %q any more", c.Method, answer.Clip(c.Issuer))
}

// checkAbsent refuses a request of an absent caller that would be executed as another
// user than when it was let in.
func (a *Admission) checkAbsent() *answer.Failure {
	if a.absent == nil || a.Decision.As.Equal(a.absent.As) {
		return nil
	}
	return answer.Failf(answer.Forbidden, "grant %q lets the caller act as another user now than when the request was let in; nothing was executed", a.Decision.Grant)
}

package access

import (
	"context"
	"errors"
	"testing"

	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/subjects"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// held is a hold as its user sees it.
type held struct {
	ctx     context.Context
	release func()
}

func begin(ctx context.Context, caller *Caller) held {
	ref := subjects.ClusterRef{Tenant: "default", Cluster: "prod"}
	door := &Door{Rules: Fixed(Rules{Authorizer: TokenClusters{}})}
	v := Visitor{Caller: caller, door: door, rules: door.Rules()}
	a := &Admission{Visitor: v, Cluster: ref, Decision: asAgent, request: Request{Cluster: ref}}
	ctx, release := a.Hold(ctx)
	return held{ctx, release}
}

// A hold that is released leaves nothing behind, whatever its caller becomes.
func TestHoldIsReleased(t *testing.T) {
	first, second := &Caller{Lease: NewLease()}, &Caller{Lease: NewLease()}
	all, err := ParsePattern("*")
	if err != nil {
		t.Fatal(err)
	}
	second.Clusters = []Pattern{all}
	kept, released := begin(t.Context(), first), begin(t.Context(), first)
	released.release()
	first.Lease.End(second)
	second.Lease.End(nil)
	<-kept.ctx.Done()
	kept.release()
	if f, ok := errors.AsType[*answer.Failure](context.Cause(kept.ctx)); !ok || f.Kind != answer.Unauthenticated {
		t.Errorf("ended by %v, want the end of the second lease", context.Cause(kept.ctx))
	}
	if cause := context.Cause(released.ctx); !errors.Is(cause, context.Canceled) {
		t.Errorf("a released hold ended by %v", cause)
	}
	forGood := begin(t.Context(), &Caller{})
	if forGood.ctx.Err() != nil {
		t.Error("a caller without lease lost it")
	}
	forGood.release()
}

// TestVisitorIsHeld: what lasts and is for no cluster ends with the credential, and goes
// on while another lease has taken the place of the first.
func TestVisitorIsHeld(t *testing.T) {
	first, second := &Caller{Lease: NewLease()}, &Caller{Lease: NewLease()}
	door := &Door{Rules: Fixed(Rules{Authorizer: TokenClusters{}})}
	v := Visitor{Caller: first, door: door, rules: door.Rules()}
	kept, release := v.Hold(t.Context())
	released, releaseFirst := v.Hold(t.Context())
	releaseFirst()
	first.Lease.End(second)
	if second.Lease.End(nil); !errors.Is(context.Cause(released), context.Canceled) {
		t.Errorf("a released hold ended by %v", context.Cause(released))
	}
	<-kept.Done()
	release()
	if f, ok := errors.AsType[*answer.Failure](context.Cause(kept)); !ok || f.Kind != answer.Unauthenticated {
		t.Errorf("ended by %v, want the end of the second lease", context.Cause(kept))
	}
}

package approval

import (
	"context"
	"fmt"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/subjects"
)

// Rules say who may ask for what, and who may decide. They are what the
// [access.Authorizer] of a visitor implements where grants may require an approval: the
// rules by which the visitor was authenticated decide. They are safe for concurrent use.
type Rules interface {
	// MayAsk returns for how long at most, or why not.
	MayAsk(ctx context.Context, c *access.Caller, grant string, ref subjects.ClusterRef) (time.Duration, error)
	MayApprove(ctx context.Context, c *access.Caller, grant string, ref subjects.ClusterRef) bool
}

// Service lets callers do at a desk what the rules let them. Of requests that are not
// a caller's and that it may not decide it says that there are none.
type Service struct {
	Desk *Desk
}

// nothing are the rules of an [access.Authorizer] that has none.
type nothing struct{}

func (nothing) MayAsk(context.Context, *access.Caller, string, subjects.ClusterRef) (time.Duration, error) {
	return 0, ErrUnknown
}

func (nothing) MayApprove(context.Context, *access.Caller, string, subjects.ClusterRef) bool {
	return false
}

func rulesOf(v *access.Visitor) Rules {
	if r, ok := v.Authorizer().(Rules); ok {
		return r
	}
	return nothing{}
}

// Ask keeps a request of the caller. A duration of 0 stands for the longest that the
// grant allows.
func (s *Service) Ask(ctx context.Context, v *access.Visitor, grant string, ref subjects.ClusterRef, reason string, duration time.Duration) (Request, error) {
	most, err := rulesOf(v).MayAsk(ctx, v.Caller, grant, ref)
	if err != nil {
		return Request{}, err
	}
	if duration == 0 {
		duration = most
	}
	if duration > most {
		return Request{}, fmt.Errorf("%w: duration: %v is longer than %v, the longest of grant %q", ErrBad, duration, most, grant)
	}
	return s.Desk.Ask(ctx, v.Caller, grant, ref, reason, duration)
}

// List returns the requests that the caller made or may decide, the newest first.
func (s *Service) List(ctx context.Context, v *access.Visitor) ([]Request, error) {
	all, err := s.Desk.List()
	if err != nil {
		return nil, err
	}
	seen := all[:0]
	for _, r := range all {
		if sees(ctx, v, r) {
			seen = append(seen, r)
		}
	}
	return seen, nil
}

// Get returns a request that the caller made or may decide.
func (s *Service) Get(ctx context.Context, v *access.Visitor, id string) (Request, error) {
	r, err := s.Desk.Get(id)
	if err == nil && !sees(ctx, v, r) {
		return Request{}, ErrUnknown
	}
	return r, err
}

// Decide approves or denies a request that the caller may decide.
func (s *Service) Decide(ctx context.Context, v *access.Visitor, id string, approve bool, note string) (Request, error) {
	r, err := s.Desk.Get(id)
	switch {
	case err != nil:
		return Request{}, err
	case decides(ctx, v, r):
		return s.Desk.Decide(ctx, id, v.Caller, approve, note)
	case r.Caller == who(v.Caller):
		return Request{}, ErrOwn
	}
	return Request{}, ErrUnknown
}

// End ends a request that the caller made or may decide.
func (s *Service) End(ctx context.Context, v *access.Visitor, id string) (Request, error) {
	if _, err := s.Get(ctx, v, id); err != nil {
		return Request{}, err
	}
	return s.Desk.End(ctx, id, v.Caller)
}

// sees reports whether the caller may know of a request.
func sees(ctx context.Context, v *access.Visitor, r Request) bool {
	return r.Caller == who(v.Caller) || decides(ctx, v, r)
}

func decides(ctx context.Context, v *access.Visitor, r Request) bool {
	ref, err := subjects.ParseClusterRef(r.Cluster)
	return err == nil && rulesOf(v).MayApprove(ctx, v.Caller, r.Grant, ref)
}

package access

import (
	"context"

	"github.com/fairlead-io/fairlead/bridge/access/limit"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/record"
)

// Rules are one version of all that decides about requests: who callers are, what they
// may do, how much, and where their sessions are recorded. They are never changed. A request is decided about by one
// version, so that it never meets the issuers of one and the grants of another.
type Rules struct {
	Authenticator Authenticator
	Authorizer    Authorizer
	Limiter       *limit.Limiter   // nil: no limits
	Recorder      *record.Recorder // nil: sessions that must be recorded are refused
}

// Fixed returns rules that are never replaced, for [Door.Rules].
func Fixed(r Rules) func() *Rules { return func() *Rules { return &r } }

// decide decides by the rules that are in use. A refusal by rules that were replaced
// meanwhile does not count: their parts may have been closed, and the caller may be
// good by the new ones. It is decided again, which is bounded by ctx and by how often
// files are read: four times a second. A permission does count: who holds it finds out
// that the rules have changed, by [Admission.Hold] and [Admission.Check].
func (d *Door) decide(ctx context.Context, by func(*Rules) *answer.Failure) *answer.Failure {
	for rules := d.Rules(); ; {
		f := by(rules)
		if f == nil || ctx.Err() != nil {
			return f
		}
		now := d.Rules()
		if now == rules {
			return f
		}
		rules = now
	}
}

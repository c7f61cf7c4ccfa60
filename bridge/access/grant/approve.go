package grant

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/deploy/nearest"
	"github.com/fairlead-io/fairlead/deploy/strictyaml"
	"github.com/fairlead-io/fairlead/subjects"
)

// Approval is the value of [Grant.Requires].
const Approval = "approval"

// Bounds of an approval: half a working day unless the grant says otherwise, and a
// week at most, after which somebody should think about it again.
const (
	defaultApproval = 4 * time.Hour
	maxApproval     = 7 * 24 * time.Hour
)

// Approvals knows what was approved. It is safe for concurrent use.
type Approvals interface {
	// Active returns a context that lasts as long as the caller's approval for a grant
	// and a cluster does; nil: there is none. The error says why that is not known.
	Active(c *access.Caller, grant string, ref subjects.ClusterRef) (context.Context, error)
}

// approvalFaults are those of what a grant says about approvals.
func (g *Grant) approvalFaults() (all []strictyaml.Fault) {
	if g.Requires != "" && g.Requires != Approval {
		all = append(all, strictyaml.Faultf("%q is not known; want approval", g.Requires).At("requires"))
	}
	switch {
	case g.MaxDuration != 0 && g.Requires == "":
		all = append(all, strictyaml.Faultf("it is that of an approval, which the grant does not require").At("maxDuration"))
	case g.MaxDuration != 0 && (g.MaxDuration < time.Minute || g.MaxDuration > maxApproval):
		all = append(all, strictyaml.Faultf("%v is not between 1m and 168h", g.MaxDuration).At("maxDuration"))
	}
	switch {
	case g.Approves != nil && len(g.Approves) == 0:
		all = append(all, strictyaml.Faultf("the list is empty").At("approves"))
	case len(g.Approves) > 0 && len(g.onRequest()) > 0:
		for _, i := range g.onRequest() {
			all = append(all, strictyaml.Faultf("the grant approves others, for which there is no request to look at: leave request out of the condition, or put approves into a grant of its own").At("when", i))
		}
	case g.approvesOnly() && (g.Requests != nil || g.Requires != "" || g.MayImpersonate != nil || g.Record):
		all = append(all, strictyaml.Faultf("the grant has no as, so that it is for approving alone and lets no request in: leave out requests, requires, mayImpersonate and record").At("approves"))
	}
	return all
}

// onRequest returns which conditions look at the request.
func (g *Grant) onRequest() (which []int) {
	for i, c := range g.When {
		if p, err := c.compile(); err == nil && mentions(p, "request.") {
			which = append(which, i)
		}
	}
	return which
}

// approvesOnly reports whether the grant lets no request in.
func (g *Grant) approvesOnly() bool {
	return len(g.Approves) > 0 && reflect.DeepEqual(g.As, As{})
}

// unknownApproved are the faults of grants that approve one that does not exist, or that
// requires no approval.
func (l List) unknownApproved() (all []strictyaml.Fault) {
	needs, names := make(map[string]bool, len(l)), make([]string, len(l))
	for i := range l {
		needs[l[i].Name], names[i] = l[i].Requires != "", l[i].Name
	}
	for i := range l {
		for j, name := range l[i].Approves {
			switch is, there := needs[name]; {
			case is:
			case there:
				all = append(all, strictyaml.Faultf("grant %q does not require an approval", name).At(i, "approves", j))
			default:
				text := fmt.Sprintf("there is no grant %q", name)
				if near := nearest.Name(name, names); near != "" {
					text += fmt.Sprintf(": did you mean %q?", near)
				}
				all = append(all, strictyaml.Faultf("%s", text).At(i, "approves", j))
			}
		}
	}
	return all
}

// NeedApprovals are the faults of grants that require an approval, unless there is a
// place where approvals are kept.
func (l List) NeedApprovals(kept bool) (all []strictyaml.Fault) {
	for i := range l {
		if l[i].Requires == Approval && !kept {
			all = append(all, strictyaml.Faultf("the grant requires an approval, but there is neither approvals.file nor approvals.shared").At("grants", i, "requires"))
		}
	}
	return all
}

// compileApproval takes over what the grant says about approvals.
func (c *grant) compileApproval(g *Grant) {
	c.approves, c.only = g.Approves, g.approvesOnly()
	if g.Requires == Approval {
		if c.lasts = g.MaxDuration; c.lasts == 0 {
			c.lasts = defaultApproval
		}
	}
}

// MayAsk returns how long an approval of the caller for a grant and a cluster may
// last. The error says why the caller may not ask for it.
func (g *Grants) MayAsk(ctx context.Context, c *access.Caller, name string, ref subjects.ClusterRef) (time.Duration, error) {
	s, err := g.standing(ctx, c)
	if err != nil {
		return 0, err
	}
	p, err := g.place(ctx, s, c, ref)
	if err != nil {
		return 0, err
	}
	for _, h := range p.grants {
		if h.grant.name != name {
			continue
		}
		if h.grant.lasts == 0 {
			return 0, answer.Failf(answer.BadRequest, "grant %q does not require an approval: it lets the caller in as it is", name)
		}
		return h.grant.lasts, nil
	}
	return 0, answer.Failf(answer.Forbidden, "caller %q has no grant %q for cluster %q that an approval could open", answer.Clip(c.Name), answer.Clip(name), ref)
}

// MayApprove reports whether the caller may decide about requests for a grant and a
// cluster. A grant with a condition on the request approves nothing: there is none.
func (g *Grants) MayApprove(ctx context.Context, c *access.Caller, name string, ref subjects.ClusterRef) bool {
	s, err := g.standing(ctx, c)
	if err != nil {
		return false
	}
	v := &vars{caller: c, cluster: ref, labels: g.labels.of(ref)}
	for i := range s.approvers {
		gr := s.approvers[i]
		if gr.onRequest == nil && slices.Contains(gr.approves, name) && gr.covers(ref) && gr.holdsAt(ctx, v) && ctx.Err() == nil {
			return true
		}
	}
	return false
}

// approved returns the decision of a grant that requires an approval, with the end of
// the approval; nil: there is none, or the error says why that is not known.
func (g *Grants) approved(h *holding, c *access.Caller, ref subjects.ClusterRef) (*holding, error) {
	active, err := g.approvals.Active(c, h.grant.name, ref)
	if err != nil || active == nil {
		return nil, err
	}
	if h.refusal != nil {
		return h, nil
	}
	d := *h.decision
	d.Valid = g.joined.with(g.valid, active)
	return &holding{grant: h.grant, decision: &d}, nil
}

// joined keeps one context for each approval, which ends with it or with the grants,
// so that requests do not each add one.
type joined struct {
	mu   sync.Mutex
	kept map[context.Context]context.Context
}

func (j *joined) with(valid, active context.Context) context.Context {
	j.mu.Lock()
	defer j.mu.Unlock()
	if both := j.kept[active]; both != nil {
		return both
	}
	both, cancel := context.WithCancel(valid)
	context.AfterFunc(active, cancel)
	if j.kept == nil {
		j.kept = make(map[context.Context]context.Context)
	}
	j.kept[active] = both
	context.AfterFunc(both, func() {
		j.mu.Lock()
		delete(j.kept, active)
		j.mu.Unlock()
	})
	return both
}

// needsApproval is the refusal where only a grant that requires an approval matches.
// unknown is why it is not known whether there is one; nil: there is none.
func needsApproval(c *access.Caller, g *grant, ref subjects.ClusterRef, unknown error) error {
	var f *answer.Failure
	if unknown != nil {
		f = answer.Failf(answer.ApprovalsUnavailable, "grant %q lets caller %q do this in cluster %q if somebody has approved it, and that is not known: %w; nothing was executed",
			g.name, answer.Clip(c.Name), ref, unknown)
	} else {
		f = answer.Failf(answer.ApprovalRequired, "grant %q lets caller %q do this in cluster %q once somebody has approved it, for at most %v: "+
			`POST /v1/access-requests {"cluster": %q, "grant": %q, "reason": "...", "duration": "1h"}; nothing was executed`,
			g.name, answer.Clip(c.Name), ref, g.lasts, ref.String(), g.name)
	}
	f.Grant = g.name
	return f
}

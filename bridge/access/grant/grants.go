package grant

import (
	"context"
	"fmt"
	"slices"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/subjects"
)

// Grants is an [access.Authorizer]. It is safe for concurrent use.
type Grants struct {
	grants  []*grant
	labels  *labels
	symbols symbols // of the rules
	callers *callers
	valid   context.Context // of all decisions
	revoke  context.CancelFunc

	approvals Approvals // nil: no grant requires one
	joined    joined
}

// New compiles the grants. [Grants.Close] must be called when others take their
// place.
func New(c Config) (*Grants, error) {
	l, err := c.Clusters.compile()
	if err != nil {
		return nil, err
	}
	if f := c.Grants.taken(); len(f) > 0 {
		return nil, f[0].Error()
	}
	g := &Grants{labels: l, symbols: make(symbols), callers: newCallers(), grants: make([]*grant, len(c.Grants))}
	for i := range c.Grants {
		if g.grants[i], err = c.Grants[i].compile(g.symbols); err != nil {
			return nil, err
		}
	}
	for _, gr := range g.grants {
		if gr.lasts > 0 && c.Approvals == nil {
			return nil, fmt.Errorf("grant %q requires an approval, but there is neither approvals.file nor approvals.shared", gr.name)
		}
	}
	g.approvals = c.Approvals
	g.valid, g.revoke = context.WithCancel(context.Background())
	return g, nil
}

// Close ends what [access.Decision.Valid] is of all decisions, so that running
// requests are decided again, by the grants that have taken the place of these. It
// drops what was kept about callers. Decisions can still be made.
func (g *Grants) Close() {
	g.revoke()
	g.callers.close()
}

// Authorize implements [access.Authorizer].
func (g *Grants) Authorize(ctx context.Context, c *access.Caller, req *access.Request) (*access.Decision, error) {
	s, err := g.standing(ctx, c)
	if err != nil {
		return nil, err
	}
	p, err := g.place(ctx, s, c, req.Cluster)
	if err != nil {
		return nil, err
	}
	q := query{ctx: ctx, symbols: g.symbols, req: req, caller: c, labels: p.labels}
	h := q.first(g, p)
	if ctx.Err() != nil { // what failed for it must not pass for a refusal, nor let a later grant decide
		return nil, tooLate(ctx)
	}
	if h != nil {
		return h.decide(c, req)
	}
	if (access.TokenClusters{}).Visible(c, req.Cluster) {
		d, err := access.TokenClusters{}.Authorize(ctx, c, req)
		if err != nil {
			return nil, err
		}
		own := *d
		own.Valid = g.valid // a new grant may say something else
		return &own, nil
	}
	if q.closed != nil {
		return nil, needsApproval(c, q.closed, req.Cluster, q.unknown)
	}
	return nil, q.refusal(s, p)
}

// tooLate is the error for a decision that was not made in time.
func tooLate(ctx context.Context) error {
	return answer.Failf(answer.TimedOut, "the grants could not be decided in time: %w", context.Cause(ctx))
}

// decide makes the decision of a grant that matches.
func (h *holding) decide(c *access.Caller, req *access.Request) (*access.Decision, error) {
	if h.refusal != nil {
		return nil, h.refusal
	}
	if req.As == nil {
		return h.decision, nil
	}
	if err := h.grant.may.allows(req.As); err != nil {
		return nil, answer.Failf(answer.Impersonation, "caller %q may not act as user %q: grant %q decides about the request, and %w; nothing was executed",
			answer.Clip(c.Name), answer.Clip(req.As.User), h.grant.name, err)
	}
	d := *h.decision
	d.As = req.As
	return &d, nil
}

// Visible implements [access.Authorizer].
func (g *Grants) Visible(c *access.Caller, ref subjects.ClusterRef) bool {
	ctx := context.Background() // what is evaluated has a bound of its own
	s, err := g.standing(ctx, c)
	if err != nil {
		return false
	}
	p, err := g.place(ctx, s, c, ref)
	return err == nil && len(p.grants) > 0 || access.TokenClusters{}.Visible(c, ref)
}

// AuthorizeTenant implements [access.Authorizer].
func (g *Grants) AuthorizeTenant(c *access.Caller, tenant string) bool {
	ctx := context.Background()
	s, err := g.standing(ctx, c)
	if err != nil {
		return false
	}
	for i := range s.grants {
		if g.maySee(ctx, c, s.grants[i].grant, tenant) {
			return true
		}
	}
	return access.TokenClusters{}.AuthorizeTenant(c, tenant)
}

// maySee reports whether the grant may be for a cluster of the tenant, whatever the
// tenant's clusters are.
func (g *Grants) maySee(ctx context.Context, c *access.Caller, gr *grant, tenant string) bool {
	for i := range gr.clusters {
		ref := gr.clusters[i].Ref()
		if ref.Tenant != "" && ref.Tenant != tenant {
			continue
		}
		v := vars{caller: c, cluster: subjects.ClusterRef{Tenant: tenant, Cluster: ref.Cluster}}
		unknown := requestNames
		if v.labels = g.labels.of(v.cluster); ref.Cluster == "" {
			unknown = append(slices.Clip(unknown), "cluster.name", "cluster.labels")
		}
		possible := true
		for _, p := range slices.Concat(gr.onCluster, gr.mixed) {
			possible = possible && p.Possible(ctx, &v, unknown...)
		}
		if possible {
			return true
		}
	}
	return false
}

package grant

import (
	"context"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/access/expr"
)

// query is a request that is being decided. It is not safe for concurrent use.
type query struct {
	ctx     context.Context
	symbols symbols
	req     *access.Request
	caller  *access.Caller
	labels  map[string]string // of the cluster
	request request           // where it is readable, once near is set
	vars    *vars             // nil until a condition needs them

	readable bool
	near     near   // the grant that came nearest
	closed   *grant // the first that matches but lacks an approval; nil without
	unknown  error  // why it is not known whether closed has one; nil: it has none
}

// near is a grant for the caller and the cluster that does not match the request.
type near struct {
	grant     *grant        // nil: no grant is for both
	condition *expr.Program // that was false; nil if no rule matched
	err       error         // why it has no value; nil if it is false
}

// first returns the first grant that matches, and has the approval that it requires;
// nil if none does.
func (q *query) first(g *Grants, p *place) *holding {
	for _, h := range p.grants {
		switch {
		case !q.matches(h.grant):
		case h.grant.lasts == 0:
			return h
		default:
			open, err := g.approved(h, q.caller, q.req.Cluster)
			if open != nil {
				return open
			}
			if q.closed == nil {
				q.closed, q.unknown = h.grant, err
			}
		}
	}
	return nil
}

// matches reports whether a grant for the caller and the cluster is for the request.
func (q *query) matches(g *grant) bool {
	if g.rules == nil && g.onRequest == nil {
		return true
	}
	if q.near.grant == nil { // the first that asks for the request; see nearest
		q.near.grant = g
		info, err := q.req.Info()
		q.readable = q.request.read(q.symbols, info, err)
	}
	if !q.readable || g.rules != nil && !matchAnyRule(g.rules, &q.request) {
		return false
	}
	for _, p := range g.onRequest {
		if is, err := p.Bool(q.ctx, q.variables()); !is {
			if q.near.condition == nil { // nearer than one without a rule for it
				q.near = near{grant: g, condition: p, err: err}
			}
			return false
		}
	}
	return true
}

// variables are those of conditions, which are made once.
func (q *query) variables() *vars {
	if q.vars == nil {
		r := q.request
		q.vars = &vars{caller: q.caller, cluster: q.req.Cluster, labels: q.labels, request: &r}
	}
	return q.vars
}

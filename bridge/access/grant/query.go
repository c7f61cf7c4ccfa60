package grant

import (
	"context"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/access/expr"
)

// query is a request that is being decided. It is not safe for concurrent use.
type query struct {
	ctx    context.Context
	req    *access.Request // nil where only the cluster is asked for
	vars   vars
	parsed bool

	visible bool // a grant covers the cluster
	near    near // the grant that came nearest
}

// near is a grant that does not match, and where it failed.
type near struct {
	grant     *grant
	distance  distance
	condition *expr.Program // that was false; nil if no rule matched
	err       error         // why it has no value; nil if it is false
}

// distance is how far a grant is from one that matches.
type distance int

const (
	otherCluster distance = iota // the farthest
	clusterCondition
	noRule
	requestCondition
)

// matches reports whether a grant whose conditions on the caller hold matches the
// request.
func (q *query) matches(g *grant) bool {
	if !q.covers(g) {
		return false
	}
	if len(g.onCluster) > 0 && !q.all(g, g.onCluster, clusterCondition) {
		return false
	}
	q.visible = true
	if g.rules == nil && g.onRequest == nil {
		return true
	}
	if !q.parsed {
		q.parsed = true
		q.vars.request = newRequest(q.req.Info())
	}
	if q.vars.request == nil || g.rules != nil && !q.ruled(g) {
		q.miss(near{grant: g, distance: noRule})
		return false
	}
	return q.all(g, g.onRequest, requestCondition)
}

func (q *query) ruled(g *grant) bool {
	for i := range g.rules {
		if g.rules[i].matches(q.vars.request) {
			return true
		}
	}
	return false
}

// covers reports whether a grant is for the cluster.
func (q *query) covers(g *grant) bool {
	for i := range g.clusters {
		if g.clusters[i].Match(q.vars.cluster) {
			return true
		}
	}
	return false
}

// holds reports whether all conditions are true.
func (q *query) holds(g *grant, conditions []*expr.Program) bool {
	return q.all(g, conditions, clusterCondition)
}

// all reports whether all conditions are true, and notes the first that is not.
func (q *query) all(g *grant, conditions []*expr.Program, d distance) bool {
	for _, p := range conditions {
		if is, err := p.Bool(q.ctx, &q.vars); !is {
			q.miss(near{grant: g, distance: d, condition: p, err: err})
			return false
		}
	}
	return true
}

// miss notes a grant that does not match, if none came nearer.
func (q *query) miss(n near) {
	if n.distance > q.near.distance {
		q.near = n
	}
}

package grant

import (
	"fmt"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/access/expr"
	"github.com/fairlead-io/fairlead/bridge/access/limit"
)

// grant is a [Grant] in the form in which it is decided by.
type grant struct {
	name     string
	clusters []access.Pattern
	// The conditions, by what they look at at most: the caller, a cluster, a request.
	onCaller, onCluster, onRequest []*expr.Program
	mixed                          []*expr.Program // those of onRequest that look at the caller or the cluster too
	when                           []*expr.Program // all of them, in order
	rules                          []rule          // nil: every request
	as                             *identity
	may                            *Impersonate
	record                         bool
	limits                         *limit.Limits // nil: none
	lasts                          time.Duration // how long an approval may; 0: none is required
	approves                       []string      // grants that its callers may approve
	only                           bool          // it is for approving alone
}

func (g *Grant) compile(t symbols) (*grant, error) {
	if f := g.faults(); len(f) > 0 {
		return nil, fmt.Errorf("grant %q: %w", g.Name, f[0].Error())
	}
	c := &grant{name: g.Name, may: g.MayImpersonate, record: g.Record}
	if g.Limits != (limit.Limits{}) {
		c.limits = &g.Limits
	}
	for _, text := range g.Clusters {
		p, err := access.ParsePattern(string(text))
		if err != nil {
			return nil, fmt.Errorf("grant %q: clusters: %w", g.Name, err)
		}
		c.clusters = append(c.clusters, p)
	}
	for i, text := range g.When {
		p, err := text.compile()
		if err != nil {
			return nil, fmt.Errorf("grant %q: when[%d]: %w", g.Name, i, err)
		}
		c.when = append(c.when, p)
		switch {
		case mentions(p, "request."):
			c.onRequest = append(c.onRequest, p)
			if aboutCaller(p) || mentions(p, "cluster.") {
				c.mixed = append(c.mixed, p)
			}
		case mentions(p, "cluster."):
			c.onCluster = append(c.onCluster, p)
		default:
			c.onCaller = append(c.onCaller, p)
		}
	}
	for i := range g.Requests {
		if f := g.Requests[i].faults(); len(f) > 0 {
			return nil, fmt.Errorf("grant %q: requests[%d].%w", g.Name, i, f[0].Error())
		}
		c.rules = append(c.rules, g.Requests[i].compile(t))
	}
	if g.MayImpersonate != nil {
		if f := g.MayImpersonate.faults(); len(f) > 0 {
			return nil, fmt.Errorf("grant %q: mayImpersonate.%w", g.Name, f[0].Error())
		}
	}
	if c.compileApproval(g); c.only {
		return c, nil
	}
	var err error
	if c.as, err = g.As.compile(); err != nil {
		return nil, fmt.Errorf("grant %q: as: %w", g.Name, err)
	}
	return c, nil
}

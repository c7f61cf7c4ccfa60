package grant

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead-io/fairlead/bridge/answer"
)

// nearest returns the grant that a readable request without a matching rule comes
// nearest to, and the rule of it. Of grants that are equally near, it prefers one that
// requires no approval, then one that records nothing, then the first.
func (q *query) nearest(p *place) (*grant, *rule) {
	base := q.symbols[q.request.Resource]
	best, bestRule, most := q.near.grant, (*rule)(nil), -1
	for _, h := range p.grants {
		g := h.grant
		for i := range g.rules {
			n := g.rules[i].nearness(&q.request, base) << 2
			if g.lasts == 0 {
				n |= 2
			}
			if !g.record {
				n |= 1
			}
			if n > most {
				best, bestRule, most = g, &g.rules[i], n
			}
		}
	}
	return best, bestRule
}

// Weights of what a rule and a request have in common. A rule for the same resource is
// nearer than any other, however much of the rest differs.
const (
	nearName = 1 << iota
	nearNamespace
	nearVerb
	nearBase // the resource without its subresource, or any path
	nearKind // the resource with its subresource, or this path
)

// nearness is how much of the request the rule is for, 0 if it is for other resources.
// base is the symbol of the resource without its subresource.
func (c *rule) nearness(r *request, base symbol) (n int) {
	add := func(weight int, is bool) {
		if is {
			n |= weight
		}
	}
	forPaths := len(c.paths)+len(c.prefixes) > 0
	switch {
	case forPaths == r.IsResource:
		return 0
	case forPaths:
		add(nearKind, c.hasPath(r))
	case !c.hasGroup(r):
		return 0
	case c.hasKind(r):
		add(nearKind, true)
	case !slices.Contains(c.kinds, base):
		return 0
	}
	add(nearBase, true)
	add(nearVerb, c.verbs&r.bit != 0)
	if !forPaths {
		add(nearNamespace, c.hasNamespace(r))
		add(nearName, c.hasName(r))
	}
	return n
}

// limits says what keeps a rule for the request's resource from matching; "" for
// another rule, or nil.
func (c *rule) limits(r *request) string {
	if c == nil || !r.IsResource || len(c.paths)+len(c.prefixes) > 0 || !c.hasKind(r) || !c.hasGroup(r) {
		return ""
	}
	var all []string
	for _, l := range []struct {
		is     bool
		name   string
		values []string
	}{
		{c.verbs&r.bit != 0, "verbs", c.source.Verbs}, {c.hasNamespace(r), "namespaces", c.source.Namespaces}, {c.hasName(r), "names", c.source.Names},
	} {
		if !l.is {
			all = append(all, l.name+" "+answer.Clip(strings.Join(l.values, ", ")))
		}
	}
	if len(all) == 0 {
		return ""
	}
	return fmt.Sprintf(" (its rule for %s is for %s only)", answer.Clip(r.resource), strings.Join(all, " and "))
}

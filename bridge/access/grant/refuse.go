package grant

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/access/expr"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/deploy/requestinfo"
	"github.com/fairlead-io/fairlead/subjects"
)

// refusal says why no grant allows the request. Its length is bounded: expressions
// are, and names from the request are cut.
func (q *query) refusal(s *standing, p *place) error {
	caller, cluster := answer.Clip(q.caller.Name), q.req.Cluster
	if q.near.grant == nil {
		return unseen(q.caller, cluster, s)
	}
	what := "this request"
	info, err := q.req.Info()
	switch {
	case err == nil && info.Ambiguous:
		return answer.Failf(answer.Forbidden, "no grant allows caller %q this request to cluster %q: its path can be read in more than one way, "+
			"so that only a grant for every request would; nothing was executed", caller, cluster)
	case q.readable:
		what = q.request.describe()
	}
	n := q.near
	var why string
	switch {
	case n.condition != nil:
		why = falsity(n.grant.name, n.condition, n.err)
	case q.readable:
		gr, r := q.nearest(p)
		why = fmt.Sprintf("grant %q came nearest, and would allow it with the rule %s%s", gr.name, q.request.rule(), r.limits(&q.request))
		if slip := q.request.slip(); slip != "" {
			why = fmt.Sprintf("grant %q came nearest, but %s", gr.name, slip)
		}
	default:
		why = fmt.Sprintf("the request's target cannot be read, and grant %q is for some requests only", n.grant.name)
	}
	return answer.Failf(answer.Forbidden, "no grant allows caller %q to %s in cluster %q: %s; nothing was executed", caller, what, cluster, why)
}

// Unseen implements [access.Explainer]: whether or not a grant names the cluster, it
// says the same.
func (g *Grants) Unseen(c *access.Caller, ref subjects.ClusterRef) error {
	s, err := g.standing(g.valid, c)
	if err != nil {
		return access.NoGrant(c, ref)
	}
	return unseen(c, ref, s)
}

func unseen(c *access.Caller, ref subjects.ClusterRef, s *standing) error {
	if s.near == nil {
		return access.NoGrant(c, ref)
	}
	return fmt.Errorf("caller %q has no grant for cluster %q; for its clusters, %s; nothing was executed", c.Name, ref, falsity(s.near.grant.name, s.near.condition, s.near.err))
}

// falsity says that a condition is false, or has no value.
func falsity(name string, p *expr.Program, err error) string {
	text := answer.Clip(strings.Join(strings.Fields(p.Text()), " "))
	if err != nil {
		return fmt.Sprintf("grant %q came nearest, but its condition %s has no value: %s", name, text, answer.Clip(err.Error()))
	}
	return fmt.Sprintf("grant %q came nearest, but its condition %s is false", name, text)
}

// describe says what a request does: "create pods/exec in namespace \"shop\"".
func (r *request) describe() string {
	if !r.IsResource {
		return fmt.Sprintf("%s %q", r.verb, answer.Clip(r.Path))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", answer.Clip(r.verb), answer.Clip(r.resource))
	if r.APIGroup != "" {
		fmt.Fprintf(&b, " of API group %q", answer.Clip(r.APIGroup))
	}
	if r.Name != "" && r.Name != requestinfo.AnyName {
		fmt.Fprintf(&b, " named %q", answer.Clip(r.Name))
	}
	if r.Namespace != "" {
		fmt.Fprintf(&b, " in namespace %q", answer.Clip(r.Namespace))
	}
	return b.String()
}

// rule is the smallest rule that would match all requests of this kind.
func (r *request) rule() string {
	if !r.IsResource {
		return fmt.Sprintf("{verbs: [%s], paths: [%q]}", r.verb, answer.Clip(r.Path))
	}
	s := fmt.Sprintf("{verbs: [%s], apiGroups: [%q], resources: [%q]", answer.Clip(r.verb), answer.Clip(r.APIGroup), answer.Clip(r.resource))
	if r.Namespace != "" {
		s += fmt.Sprintf(", namespaces: [%q]", answer.Clip(r.Namespace))
	}
	return s + "}"
}

// slip says what is wrong with a request that no API server of Kubernetes knows, which
// no rule can mend; "" for any other.
func (r *request) slip() string {
	if !r.IsResource {
		return ""
	}
	if plural := requestinfo.Plural(r.Resource); plural != "" {
		return fmt.Sprintf("no resource has the name %q: did you mean %q?", answer.Clip(r.Resource), plural)
	}
	group, known := requestinfo.OwnGroup(r.Resource)
	if !known || group == r.APIGroup || requestinfo.Foreign(r.APIGroup) {
		return ""
	}
	full := r.Resource
	if group != "" {
		full += "." + group
	}
	return fmt.Sprintf("%s are in API group %q, and the request is for %q: ask for %s", r.Resource, group, answer.Clip(r.APIGroup), full)
}

// noIdentity is the refusal of a grant that matches, where the user cannot be made.
func noIdentity(c *access.Caller, g *grant, err error) error {
	return answer.Failf(answer.Forbidden, "grant %q is for caller %q, but the user as whom the caller would act cannot be made: %s; nothing was executed",
		g.name, answer.Clip(c.Name), answer.Clip(err.Error()))
}

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

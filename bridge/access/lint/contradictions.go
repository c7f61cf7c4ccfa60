package lint

import (
	"slices"
	"strings"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/access/expr"
	"github.com/fairlead-io/fairlead/bridge/access/grant"
)

// contradictions warns about conditions that exclude each other.
func (l *linter) contradictions(i int, a *analysis) {
	allowed := make(map[string][]any) // the values that a variable may have
	first := make(map[string]int)     // the condition that says so
	claimed, method := -1, ""
	for _, p := range a.parts {
		c := p.Comparison
		if c == nil {
			continue
		}
		if c.Variable == "claims" && claimed < 0 {
			claimed = p.when
		}
		if c.Operator != expr.Equals && c.Operator != expr.In {
			continue
		}
		n := name(c)
		before, there := allowed[n]
		if !there {
			allowed[n], first[n] = c.Values, p.when
			continue
		}
		both := slices.DeleteFunc(slices.Clone(before), func(v any) bool { return !slices.Contains(c.Values, v) })
		if len(both) == 0 {
			l.warn([]any{"grants", i, "when", p.when}, "it can never hold together with when[%d]: %s cannot have both values", first[n], n)
			continue
		}
		allowed[n] = both
	}
	if m := allowed["caller.method"]; len(m) == 1 && m[0] != string(access.MethodOIDC) {
		method, _ = m[0].(string)
	}
	if claimed >= 0 && method != "" {
		l.warn([]any{"grants", i, "when", claimed}, "it can never hold together with caller.method == %q: only ID tokens have claims", method)
	}
	if m, is := allowed["caller.issuer"]; claimed >= 0 && is && len(m) == 1 && m[0] == "" {
		l.warn([]any{"grants", i, "when", claimed}, `it can never hold together with caller.issuer == "": only ID tokens have claims`)
	}
}

// againstRules warns about conditions on the request that no rule of the grant lets
// through.
func (l *linter) againstRules(i int, g *grant.Grant, a *analysis) {
	if len(g.Requests) == 0 {
		return
	}
	for _, p := range a.parts {
		c := p.Comparison
		if c == nil || c.Operator != expr.Equals && c.Operator != expr.In || !strings.HasPrefix(c.Variable, "request.") {
			continue
		}
		possible := false
		for k := range g.Requests {
			for _, s := range c.Strings() {
				possible = possible || allows(&g.Requests[k], c.Variable, s) || !occurs(c.Variable, s) // which is told
			}
		}
		if !possible && len(c.Strings()) > 0 {
			l.warn([]any{"grants", i, "when", p.when}, "no rule under requests allows %s %s", c.Variable, quoted(c.Strings()))
		}
	}
}

// occurs reports whether a request can have that value of a variable at all.
func occurs(variable, value string) bool {
	switch variable {
	case "request.verb":
		return slices.Contains(verbs, value)
	case "request.resource":
		return !strings.Contains(value, "/") && value == strings.ToLower(value)
	}
	return true
}

// allows reports whether a rule may match a request with that value of a variable.
func allows(r *grant.Rule, variable, value string) bool {
	has := func(list []string, otherwise bool) bool {
		return list == nil && otherwise || slices.Contains(list, "*") || slices.Contains(list, value)
	}
	forResources := len(r.Resources) > 0
	switch variable {
	case "request.verb":
		return has(r.Verbs, false)
	case "request.namespace":
		return forResources && has(r.Namespaces, true) || !forResources && value == ""
	case "request.name":
		return forResources && has(r.Names, true) || !forResources && value == ""
	case "request.apiGroup":
		return forResources && (has(r.APIGroups, false) || r.APIGroups == nil && value == "") || !forResources && value == ""
	case "request.resource":
		return forResources && slices.ContainsFunc(r.Resources, func(s string) bool {
			resource, _, _ := strings.Cut(s, "/")
			return resource == "*" || resource == value
		}) || !forResources && value == ""
	}
	return true
}

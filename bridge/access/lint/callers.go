package lint

import (
	"slices"

	"github.com/fairlead-io/fairlead/bridge/access/expr"
	"github.com/fairlead-io/fairlead/bridge/access/webhook"
)

// from returns the issuers that the callers of a grant can have.
func (l *linter) from(a *analysis) []string {
	left := l.issuers
	for _, p := range a.parts {
		if c := p.Comparison; c != nil && c.Variable == "caller.issuer" && (c.Operator == expr.Equals || c.Operator == expr.In) {
			left = slices.DeleteFunc(slices.Clone(left), func(issuer string) bool { return !slices.Contains(c.Strings(), issuer) })
		}
	}
	return left
}

// groups warns about groups that no caller can have.
func (l *linter) groups(i int, a *analysis) {
	if l.known.Faulty("authentication") {
		return
	}
	for _, p := range a.parts {
		c := p.Comparison
		if c == nil || c.Variable != "caller.groups" || c.Operator != expr.Has || len(c.Strings()) == 0 {
			continue
		}
		group, at := c.Strings()[0], []any{"grants", i, "when", p.when}
		possible, without := false, ""
		var made []string
		for _, issuer := range l.from(a) {
			groups, known := l.groupsOf(issuer)
			if !known || slices.ContainsFunc(groups, func(m expr.Made) bool { return m.Can(group) }) {
				possible = true
			}
			for _, m := range groups {
				made = append(made, shown(m))
			}
			if len(groups) == 0 && issuer != "" {
				without = issuer
			}
		}
		switch {
		case possible || len(l.from(a)) == 0:
		case len(made) > 0:
			l.warn(at, "no issuer makes the group %q; those of its callers are %s", group, list(made))
		case without != "":
			l.warn(at, "callers of issuer %q have no groups: it has no key groups", without)
		default:
			l.warn(at, "no caller has groups: tokens of the bridge's own file have none")
		}
	}
}

// groupsOf is what is known of the groups of an issuer's callers. known is false if they
// can be any.
func (l *linter) groupsOf(issuer string) (groups []expr.Made, known bool) {
	switch {
	case issuer == "":
		return nil, l.config.Authentication.ClientCertificates == nil
	case issuer == webhook.TokenReviewIssuer && l.config.Authentication.TokenReview != nil:
		return nil, false
	}
	for k := range l.config.Authentication.OIDC {
		o := &l.config.Authentication.OIDC[k]
		if o.Name != issuer || o.Groups == "" {
			continue
		}
		groups, err := o.Groups.Makes()
		return groups, err == nil
	}
	return nil, true
}

// names warns about names that no caller of the grant can have.
func (l *linter) names(i int, a *analysis) {
	if l.known.Faulty("authentication") {
		return
	}
	for _, p := range a.parts {
		c := p.Comparison
		if c == nil || c.Variable != "caller.name" || c.Operator != expr.Equals && c.Operator != expr.In {
			continue
		}
		for _, s := range c.Strings() {
			var made []string
			possible := false
			for _, issuer := range l.from(a) {
				names, known := l.namesOf(issuer)
				possible = possible || !known || slices.ContainsFunc(names, func(m expr.Made) bool { return m.Can(s) })
				for _, m := range names {
					made = append(made, shown(m))
				}
			}
			if !possible && len(l.from(a)) > 0 {
				l.warn([]any{"grants", i, "when", p.when}, "no caller has the name %q; %s", s, thoseAre(made))
			}
		}
	}
}

func (l *linter) namesOf(issuer string) (names []expr.Made, known bool) {
	if issuer == "" && l.known.Tokens != nil && l.config.Authentication.ClientCertificates == nil {
		for _, name := range l.known.Tokens {
			names = append(names, expr.Made{Prefix: name, Whole: true})
		}
		return names, true
	}
	for k := range l.config.Authentication.OIDC {
		o := &l.config.Authentication.OIDC[k]
		if o.Name != issuer {
			continue
		}
		if o.Username == "" {
			return []expr.Made{{Prefix: issuer + ":"}}, true
		}
		names, err := o.Username.Makes()
		return names, err == nil
	}
	return nil, false
}

func thoseAre(made []string) string {
	if len(made) == 0 {
		return "there are no tokens"
	}
	return "those of its callers are " + list(made)
}

// shown is a text as far as it is known.
func shown(m expr.Made) string {
	if m.Whole {
		return `"` + m.Prefix + `"`
	}
	return `"` + m.Prefix + `..."`
}

func list(all []string) string {
	slices.Sort(all)
	all = slices.Compact(all)
	s := ""
	for i, a := range all[:min(len(all), 5)] {
		if i > 0 {
			s += ", "
		}
		s += a
	}
	return s
}

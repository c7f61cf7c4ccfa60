package lint

import (
	"github.com/fairlead-io/fairlead/bridge/access/expr"
	"github.com/fairlead-io/fairlead/bridge/access/grant"
	"github.com/fairlead-io/fairlead/bridge/access/policy"
	"github.com/fairlead-io/fairlead/deploy/strictyaml"
)

// Known is what is known beside the access file.
type Known struct {
	// Tenants has the clusters of each tenant, nil for a tenant that may have any; a nil
	// map: the tenants are not known.
	Tenants map[string][]string
	// Tokens are the names of the bridge's own tokens; nil: they are not known.
	Tokens []string
	// Faulty reports whether a section of the access file has faults, so that nothing is
	// concluded from what it does not have.
	Faulty func(section string) bool
}

// linter goes through one access file.
type linter struct {
	config   *policy.Config
	known    Known
	issuers  []string // whom a caller can have as its issuer
	found    []strictyaml.Fault
	analyses []analysis // of the grants
}

// analysis is what the conditions of a grant say.
type analysis struct {
	parts       []part          // all of which must hold
	comparisons []withCondition // anywhere in them
	texts       map[string]bool // of the parts
	broken      bool            // a condition has a fault, so that the others say less
}

type part struct {
	expr.Part
	when int // the condition that it is of
}

type withCondition struct {
	expr.Comparison
	when int
}

// name is a variable as people write it.
func name(c *expr.Comparison) string {
	if c.Key != "" {
		return c.Variable + "." + c.Key
	}
	return c.Variable
}

// canonical makes the two names of claims one.
func canonical(c *expr.Comparison) {
	if c.Variable == "caller.claims" {
		c.Variable = "claims"
	}
}

// Warnings are those about an access file, which may have faults.
func Warnings(config *policy.Config, known Known) []strictyaml.Fault {
	if known.Faulty == nil {
		known.Faulty = func(string) bool { return false }
	}
	l := &linter{config: config, known: known, issuers: issuers(config)}
	l.urls()
	l.patterns()
	for i := range config.Grants {
		l.analyses = append(l.analyses, analyse(&config.Grants[i]))
		l.grant(i)
	}
	l.unreached()
	return l.found
}

func (l *linter) warn(at []any, format string, args ...any) {
	l.found = append(l.found, strictyaml.Faultf(format, args...).At(at...))
}

func analyse(g *grant.Grant) analysis {
	a := analysis{texts: make(map[string]bool)}
	for i, when := range g.When {
		parts, comparisons, err := when.Parts()
		if err != nil {
			a.broken = true // a fault, which is told
			continue
		}
		for _, p := range parts {
			if p.Comparison != nil {
				canonical(p.Comparison)
			}
			a.parts = append(a.parts, part{p, i})
			a.texts[p.Text] = true
		}
		for _, c := range comparisons {
			canonical(&c)
			a.comparisons = append(a.comparisons, withCondition{c, i})
		}
	}
	return a
}

func (l *linter) grant(i int) {
	g, a := &l.config.Grants[i], &l.analyses[i]
	l.contradictions(i, a)
	for k := range a.comparisons {
		l.comparison(i, &a.comparisons[k])
	}
	l.groups(i, a)
	l.names(i, a)
	l.againstRules(i, g, a)
	l.rules(i, g)
	l.identity(i, g)
	if g.Record && !l.config.Recording.Given() && !l.known.Faulty("recording") {
		l.warn([]any{"grants", i, "record"}, "there is no section recording, so that exec and attach under this grant are refused")
	}
	if g.Requires == grant.Approval && !l.approved(g.Name) {
		l.warn([]any{"grants", i, "requires"}, "no grant approves %q, so that nobody can approve its use", g.Name)
	}
}

func (l *linter) approved(name string) bool {
	for i := range l.config.Grants {
		for _, n := range l.config.Grants[i].Approves {
			if n == name {
				return true
			}
		}
	}
	return false
}

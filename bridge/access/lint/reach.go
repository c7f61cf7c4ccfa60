package lint

import (
	"slices"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/access/grant"
)

// unreached warns about grants that are never asked, as an earlier one decides about all
// their requests.
func (l *linter) unreached() {
	for i := range l.config.Grants {
		later := &l.config.Grants[i]
		if len(later.Approves) > 0 || l.analyses[i].broken {
			continue
		}
		for k := range i {
			if l.covers(k, i) {
				l.warn([]any{"grants", i}, "the grant is never asked: grant %q stands before it and decides about all its requests", l.config.Grants[k].Name)
				break
			}
		}
	}
}

// covers reports whether each request that grant j would match is one that grant i
// matches.
func (l *linter) covers(i, j int) bool {
	a, b := &l.config.Grants[i], &l.config.Grants[j]
	if a.Requires != "" || a.As.User == "" && !a.As.Agent || l.analyses[i].broken {
		return false
	}
	for text := range l.analyses[i].texts {
		if !l.analyses[j].texts[text] {
			return false
		}
	}
	for _, p := range b.Clusters {
		if !slices.ContainsFunc(a.Clusters, func(q grant.Pattern) bool { return includes(string(q), string(p)) }) {
			return false
		}
	}
	if a.Requests == nil {
		return true
	}
	if b.Requests == nil {
		return false
	}
	for n := range b.Requests {
		if !slices.ContainsFunc(a.Requests, func(r grant.Rule) bool { return wider(&r, &b.Requests[n]) }) {
			return false
		}
	}
	return true
}

// includes reports whether a pattern of clusters stands for all that another does.
func includes(wide, narrow string) bool {
	w, err := access.ParsePattern(wide)
	if err != nil {
		return false
	}
	n, err := access.ParsePattern(narrow)
	if err != nil {
		return false
	}
	a, b := w.Ref(), n.Ref()
	return (a.Tenant == "" || a.Tenant == b.Tenant) && (a.Cluster == "" || a.Cluster == b.Cluster)
}

// wider reports whether a rule matches all that another does.
func wider(a, b *grant.Rule) bool {
	group := func(r *grant.Rule) []string {
		if r.APIGroups == nil {
			return []string{""}
		}
		return r.APIGroups
	}
	if len(a.Paths) > 0 || len(b.Paths) > 0 {
		return within(b.Verbs, a.Verbs) && len(b.Paths) > 0 && within(b.Paths, a.Paths)
	}
	return within(b.Verbs, a.Verbs) && within(b.Resources, a.Resources) && within(group(b), group(a)) &&
		(a.Namespaces == nil || b.Namespaces != nil && within(b.Namespaces, a.Namespaces)) &&
		(a.Names == nil || b.Names != nil && within(b.Names, a.Names))
}

// within reports whether all of some names are among others, or these are all names.
func within(some, others []string) bool {
	if slices.Contains(others, "*") {
		return true
	}
	for _, s := range some {
		if !slices.Contains(others, s) {
			return false
		}
	}
	return true
}

package lint

import (
	"slices"
	"strings"

	"github.com/fairlead-io/fairlead/bridge/access/grant"
	"github.com/fairlead-io/fairlead/deploy/requestinfo"
)

// rules warns about rules that can match nothing.
func (l *linter) rules(i int, g *grant.Grant) {
	for k := range g.Requests {
		r := &g.Requests[k]
		groups := r.APIGroups
		if groups == nil {
			groups = []string{""}
		}
		for n, text := range r.Resources {
			at := []any{"grants", i, "requests", k, "resources", n}
			resource, sub, _ := strings.Cut(text, "/")
			group, known := requestinfo.OwnGroup(resource)
			name, of, dotted := strings.Cut(resource, ".")
			plural := requestinfo.Plural(resource)
			switch {
			case dotted:
				l.warn(at, "no resource has the name %q: write resources: [%s] with apiGroups: [%s]", resource, name, of)
			case plural != "":
				l.warn(at, "no resource has the name %q: did you mean %q?", resource, plural)
			case resource == "pods" && sub == "logs":
				l.warn(at, `pods have no subresource "logs": did you mean "pods/log"?`)
			case known && !slices.Contains(groups, group) && !slices.ContainsFunc(groups, requestinfo.Foreign):
				l.warn(at, "%s are in API group %q, and the rule is for %s: write apiGroups: [%q]", resource, group, quoted(groups), group)
			}
		}
	}
}

// wellKnown is where issuers have their configuration.
const wellKnown = "/.well-known/openid-configuration"

// urls warns about issuers whose URL is that of their configuration.
func (l *linter) urls() {
	for i := range l.config.Authentication.OIDC {
		if url := l.config.Authentication.OIDC[i].URL; strings.HasSuffix(url, wellKnown) {
			l.warn([]any{"authentication", "oidc", i, "issuer"}, "it is the URL of the issuer's configuration: leave out %s", wellKnown)
		}
	}
}

package lint

import (
	"strings"

	"github.com/fairlead-io/fairlead/bridge/access/grant"
	"github.com/fairlead-io/fairlead/deploy/requestinfo"
)

// rules warns about rules that can match nothing.
func (l *linter) rules(i int, g *grant.Grant) {
	for k := range g.Requests {
		r := &g.Requests[k]
		for n, text := range r.Resources {
			if wrong := requestinfo.Misnamed(text, r.APIGroups); wrong != "" {
				l.warn([]any{"grants", i, "requests", k, "resources", n}, "%s", wrong)
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

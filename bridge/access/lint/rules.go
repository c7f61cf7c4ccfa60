package lint

import (
	"slices"
	"strings"

	"github.com/fairlead-io/fairlead/bridge/access/grant"
)

// groupOf has the API groups of Kubernetes' own resources that people write rules for.
var groupOf = map[string]string{
	"pods": "", "services": "", "configmaps": "", "secrets": "", "namespaces": "", "nodes": "", "endpoints": "",
	"serviceaccounts": "", "persistentvolumeclaims": "", "persistentvolumes": "", "resourcequotas": "", "limitranges": "",
	"deployments": "apps", "replicasets": "apps", "statefulsets": "apps", "daemonsets": "apps", "controllerrevisions": "apps",
	"jobs": "batch", "cronjobs": "batch", "horizontalpodautoscalers": "autoscaling", "poddisruptionbudgets": "policy",
	"ingresses": "networking.k8s.io", "networkpolicies": "networking.k8s.io",
	"roles": "rbac.authorization.k8s.io", "rolebindings": "rbac.authorization.k8s.io",
	"clusterroles": "rbac.authorization.k8s.io", "clusterrolebindings": "rbac.authorization.k8s.io",
	"customresourcedefinitions": "apiextensions.k8s.io", "leases": "coordination.k8s.io", "storageclasses": "storage.k8s.io",
}

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
			group, known := groupOf[resource]
			name, of, dotted := strings.Cut(resource, ".")
			_, plural := groupOf[resource+"s"]
			switch {
			case dotted:
				l.warn(at, "no resource has the name %q: write resources: [%s] with apiGroups: [%s]", resource, name, of)
			case plural:
				l.warn(at, "no resource has the name %q: did you mean %q?", resource, resource+"s")
			case resource == "pods" && sub == "logs":
				l.warn(at, `pods have no subresource "logs": did you mean "pods/log"?`)
			case known && !slices.Contains(groups, group) && !slices.ContainsFunc(groups, foreign):
				l.warn(at, "%s are in API group %q, and the rule is for %s: write apiGroups: [%q]", resource, group, quoted(groups), group)
			}
		}
	}
}

// foreign reports whether a group, or * for all, can have resources of any name, as
// metrics.k8s.io has pods.
func foreign(group string) bool {
	for _, own := range groupOf {
		if group == own {
			return false
		}
	}
	return true
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

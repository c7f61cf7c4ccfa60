package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/access/expr"
	"github.com/fairlead-io/fairlead/bridge/access/policy"
	"github.com/fairlead-io/fairlead/bridge/access/webhook"
	"github.com/fairlead-io/fairlead/deploy/nearest"
	"github.com/fairlead-io/fairlead/deploy/requestinfo"
)

// issuers are those that callers can have. "" is that of the bridge's own tokens and of
// client certificates.
func issuers(c *policy.Config) []string {
	all := []string{""}
	for i := range c.Authentication.OIDC {
		all = append(all, c.Authentication.OIDC[i].Name)
	}
	if c.Authentication.TokenReview != nil {
		all = append(all, webhook.TokenReviewIssuer)
	}
	return all
}

// Claims that GitLab and GitHub send as strings, although they look like something else.
var stringClaims = []string{
	"ref_protected", "environment_protected", "job_id", "pipeline_id", "project_id", "namespace_id", "user_id",
	"repository_id", "repository_owner_id", "actor_id", "run_id", "run_number", "run_attempt", "enterprise_id",
}

// verbs are those of requests, as grants see them.
var verbs = []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "proxy", "head", "post", "put", "options"}

// comparison warns about what a variable is compared with.
func (l *linter) comparison(grant int, c *withCondition) {
	at := []any{"grants", grant, "when", c.when}
	switch c.Variable {
	case "claims":
		l.claim(at, &c.Comparison)
	case "caller.issuer":
		if !l.known.Faulty("authentication") {
			for _, s := range c.Strings() {
				if !slices.Contains(l.issuers, s) {
					l.warn(at, "no issuer has the name %q%s", s, meant(s, l.issuers))
				}
			}
		}
	case "caller.method":
		for _, s := range c.Strings() {
			l.method(at, s)
		}
	case "cluster.labels":
		l.label(at, &c.Comparison)
	case "cluster.tenant":
		for _, s := range c.Strings() {
			l.tenant(at, s)
		}
	case "request.verb":
		for _, s := range c.Strings() {
			if s == "exec" || s == "attach" || s == "portforward" {
				l.warn(at, "no request has the verb %q: the resource is pods/%s, and its verb create", s, s)
			} else if !slices.Contains(verbs, s) {
				l.warn(at, "no request has the verb %q%s", s, meant(s, verbs))
			}
		}
	case "request.resource":
		for _, s := range c.Strings() {
			if resource, sub, has := strings.Cut(s, "/"); has {
				l.warn(at, "request.resource has no subresource: write request.resource == %q && request.subresource == %q", resource, sub)
			} else if plural := requestinfo.Plural(s); plural != "" && plural != strings.ToLower(s) {
				l.warn(at, "no resource has the name %q: did you mean %q?", s, plural)
			} else if s != strings.ToLower(s) {
				l.warn(at, "no resource has the name %q: names of resources are in lower case, such as %q", s, strings.ToLower(s))
			}
		}
	}
}

// meant asks whether another name was meant; "" if none is near.
func meant(s string, known []string) string {
	if near := nearest.Name(s, known); near != "" {
		return fmt.Sprintf(": did you mean %q?", near)
	}
	return ""
}

func (l *linter) claim(at []any, c *expr.Comparison) {
	if !slices.Contains(stringClaims, c.Key) {
		return
	}
	if c.Operator == expr.Is {
		l.warn(at, `issuers send %s as a string, which is neither true nor false: compare it with "true"`, name(c))
		return
	}
	for _, v := range c.Values {
		if _, is := v.(string); !is && c.Operator != expr.Has {
			l.warn(at, `issuers send %s as a string, which is never the same as %v: compare it with "%v"`, name(c), v, v)
			return
		}
	}
}

func (l *linter) method(at []any, s string) {
	methods := []string{string(access.MethodToken), string(access.MethodOIDC), string(access.MethodCertificate), string(access.MethodWebhook)}
	a := &l.config.Authentication
	missing := ""
	switch access.Method(s) {
	case access.MethodToken:
	case access.MethodOIDC:
		if len(a.OIDC) == 0 {
			missing = "authentication.oidc"
		}
	case access.MethodCertificate:
		if a.ClientCertificates == nil {
			missing = "authentication.clientCertificates"
		}
	case access.MethodWebhook:
		if a.TokenReview == nil {
			missing = "authentication.tokenReview"
		}
	default:
		hint := meant(s, methods)
		if hint == "" {
			hint = "; it is one of " + strings.Join(methods, ", ")
		}
		l.warn(at, "caller.method is never %q%s", s, hint)
	}
	if missing != "" && !l.known.Faulty("authentication") {
		l.warn(at, "caller.method is never %q, as there is no section %s", s, missing)
	}
}

// label warns about labels that no entry under clusters has.
func (l *linter) label(at []any, c *expr.Comparison) {
	if l.known.Faulty("clusters") || c.Key == "" || c.Operator == expr.Is {
		return
	}
	var keys, values []string
	for _, cluster := range l.config.Clusters {
		for k, v := range cluster.Labels {
			keys = append(keys, k)
			if k == c.Key {
				values = append(values, v)
			}
		}
	}
	slices.Sort(keys)
	slices.Sort(values)
	keys, values = slices.Compact(keys), slices.Compact(values)
	switch {
	case len(keys) == 0:
		l.warn(at, "no cluster has the label %q: section clusters gives clusters their labels, and has none", c.Key)
	case len(values) == 0:
		l.warn(at, "no entry under clusters has the label %q%s", c.Key, meant(c.Key, keys))
	default:
		for _, s := range c.Strings() {
			if !slices.Contains(values, s) {
				l.warn(at, "no entry under clusters has the label %s: %q; there %s %s", c.Key, s, are(values), quoted(values))
			}
		}
	}
}

func are(all []string) string {
	if len(all) == 1 {
		return "is"
	}
	return "are"
}

// quoted writes up to five of some names.
func quoted(all []string) string {
	const most = 5
	var parts []string
	for _, s := range all[:min(len(all), most)] {
		parts = append(parts, fmt.Sprintf("%q", s))
	}
	if len(all) > most {
		parts = append(parts, "...")
	}
	return strings.Join(parts, ", ")
}

package allow

import (
	"slices"
	"strings"

	"github.com/fairlead-io/fairlead/deploy/requestinfo"
)

// names warns about resources that there are not.
func (l *linter) names(i int) {
	r := &l.Requests[i]
	for n, text := range r.Resources {
		if wrong := requestinfo.Misnamed(text, r.APIGroups); wrong != "" {
			l.warn([]any{"requests", i, "resources", n}, "%s", wrong)
		}
	}
}

// changing are the verbs that readOnly refuses.
var changing = []string{"create", "update", "patch", "delete", "deletecollection", "proxy"}

// closed warns about what a rule allows and a switch of the list refuses.
func (l *linter) closed(i int) {
	r := &l.Requests[i]
	for n, text := range r.Resources {
		at := []any{"requests", i, "resources", n}
		resource, sub, _ := strings.Cut(text, "/")
		switch {
		case is(l.Exec, false) && reachesIn(sub):
			l.warn(at, "exec: false refuses every request for %s", text)
		case is(l.Secrets, false) && (resource == "secrets" || resource == "serviceaccounts" && sub == "token"):
			l.warn(at, "secrets: false refuses every request for %s", text)
		}
	}
	if !is(l.ReadOnly, true) || r.Paths != nil || slices.ContainsFunc(r.Resources, asksItself) {
		return
	}
	for n, v := range r.Verbs {
		if slices.Contains(changing, v) {
			l.warn([]any{"requests", i, "verbs", n}, "readOnly: true refuses every request with the verb %s", v)
		}
	}
}

// asksItself reports whether a resource of a rule has the reviews that readOnly allows.
func asksItself(resource string) bool {
	return resource == "*" || strings.HasPrefix(resource, "selfsubject")
}

// reachesIn reports whether a subresource reaches into containers or behind the API server.
func reachesIn(sub string) bool {
	return slices.Contains([]string{"exec", "attach", "portforward", "ephemeralcontainers", "proxy"}, sub)
}

// taking are resources whose change gives power over the cluster, by their API group.
var taking = map[string][]string{
	"rbac.authorization.k8s.io":    {"roles", "clusterroles", "rolebindings", "clusterrolebindings"},
	"admissionregistration.k8s.io": {"mutatingwebhookconfigurations", "validatingwebhookconfigurations"},
	"":                             {"nodes"},
}

// opened warns about what a rule opens beside what it names.
func (l *linter) opened(i int) {
	r := &l.Requests[i]
	for n, text := range r.Resources {
		at := []any{"requests", i, "resources", n}
		resource, sub, _ := strings.Cut(text, "/")
		switch {
		case text == "*":
			l.everything(at, r)
		case !r.inGroup(""):
		case resource == "nodes" && sub == "proxy" && !is(l.Exec, false):
			l.warn(at, "nodes/proxy is the kubelet, which runs commands in all pods of the node")
		case reachesIn(sub) && sub != "exec" && l.Exec == nil && !l.namesExec():
			l.warn(at, "%s reaches into pods as pods/exec does, which no rule allows: exec: false closes all such ways, and exec: true says that they are meant", text)
		case resource == "serviceaccounts" && sub == "token" && !is(l.Secrets, false):
			l.warn(at, "it gives tokens of service accounts, with which their holder is past this list")
		}
		for group, resources := range taking {
			if sub == "" && slices.Contains(resources, resource) && r.inGroup(group) && r.has("create", "update", "patch", "delete", "deletecollection") && !is(l.ReadOnly, true) {
				l.warn(at, "whoever may change %s can take over the cluster, as far as its RBAC lets the user", resource)
			}
		}
	}
}

// everything warns about a rule for all resources, which is for their subresources too.
func (l *linter) everything(at []any, r *rule) {
	if !r.inGroup("") {
		return
	}
	if l.Exec == nil && r.has("create", "update", "patch", "proxy") && !is(l.ReadOnly, true) {
		l.warn(at, "it stands for pods/exec, pods/attach, pods/ephemeralcontainers and proxies too: exec: false closes them, and exec: true says that they are meant")
	}
	if l.Secrets == nil {
		l.warn(at, "it stands for Secrets too: secrets: false closes them, and secrets: true says that they are meant")
	}
}

// namesExec reports whether a rule allows exec by its name or by *.
func (l *linter) namesExec() bool {
	return slices.ContainsFunc(l.Requests, func(r rule) bool {
		return slices.ContainsFunc(r.Resources, func(p string) bool { return p == "*" || strings.HasSuffix(p, "/exec") })
	})
}

// redundant warns about rules that allow nothing that another one does not.
func (l *linter) redundant() {
	for i := range l.Requests {
		for k := range l.Requests {
			a, b := &l.Requests[k], &l.Requests[i]
			if k != i && l.covers(a, b) && (k < i || !l.covers(b, a)) {
				l.warn([]any{"requests", i}, "it allows nothing more than requests[%d]", k)
				break
			}
		}
	}
}

// covers reports whether rule a allows all that b does.
func (l *linter) covers(a, b *rule) bool {
	switch {
	case (a.Paths == nil) != (b.Paths == nil) || b.verbs&^a.verbs != 0:
		return false
	case a.Paths != nil:
		return within(b.Paths, a.Paths, matches)
	case l.own != "" && slices.Contains(b.Namespaces, l.own) && !slices.Contains(a.Namespaces, l.own):
		return false // changes in the agent's own namespace need it by its name
	}
	same := func(p, s string) bool { return p == s || p == "*" }
	resource := func(p, s string) bool {
		if first, sub, _ := strings.Cut(p, "/"); first == "*" && sub != "" {
			return strings.HasSuffix(s, "/"+sub)
		}
		return same(p, s)
	}
	return within(b.groups(), a.groups(), same) && within(b.Resources, a.Resources, resource) &&
		(a.Namespaces == nil || b.Namespaces != nil && within(b.Namespaces, a.Namespaces, matches)) &&
		(a.Names == nil || b.Names != nil && within(b.Names, a.Names, matches))
}

// within reports whether each of some patterns is covered by one of others.
func within(some, others []string, covers func(pattern, s string) bool) bool {
	for _, s := range some {
		if !slices.ContainsFunc(others, func(p string) bool { return covers(p, s) }) {
			return false
		}
	}
	return true
}

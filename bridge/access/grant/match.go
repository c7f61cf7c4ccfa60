package grant

import (
	"slices"
	"strings"

	"github.com/fairlead-io/fairlead/deploy/requestinfo"
)

// request is what rules and conditions see of a request.
type request struct {
	*requestinfo.Info
	verb     string // that of the grants, which is create for what runs commands
	bit      verbs
	resource string // with the subresource
}

// newRequest returns nil for a request of which rules and conditions must not judge:
// it cannot be read, or servers may read it in different ways.
func newRequest(info *requestinfo.Info, err error) *request {
	if err != nil || info.Ambiguous {
		return nil
	}
	r := &request{Info: info, verb: info.Verb, resource: info.Resource}
	if info.IsResource && info.Subresource != "" {
		r.resource += "/" + info.Subresource
		if info.Verb == "get" && info.APIGroup == "" && runs(info.Resource, info.Subresource) {
			r.verb = "create"
		}
	}
	r.bit = bitOf(r.verb)
	return r
}

// runs reports whether a subresource of the core group runs commands in a cluster or
// connects to its pods. WebSockets reach it with GET and SPDY with POST, so that
// Kubernetes' verb tells one way from the other, and not reading from writing. That
// of nodes/proxy is the kubelet, which runs commands in all its pods.
func runs(resource, sub string) bool {
	switch sub {
	case "exec", "attach", "portforward":
		return resource == "pods" || resource == all
	case "proxy":
		return resource == "nodes"
	}
	return false
}

// verbs is a set of verbs. anyVerb includes those that nobody knows.
type verbs uint32

const (
	unknownVerb verbs = 1 << 31
	anyVerb           = ^verbs(0)
)

func bitOf(verb string) verbs {
	switch verb {
	case "get":
		return 1
	case "list":
		return 1 << 1
	case "watch":
		return 1 << 2
	case "create":
		return 1 << 3
	case "update":
		return 1 << 4
	case "patch":
		return 1 << 5
	case "delete":
		return 1 << 6
	case "deletecollection":
		return 1 << 7
	case "proxy":
		return 1 << 8
	case "head":
		return 1 << 9
	case "post":
		return 1 << 10
	case "put":
		return 1 << 11
	case "options":
		return 1 << 12
	}
	return unknownVerb
}

// rule is a [Rule] in the form in which it is compared.
type rule struct {
	verbs      verbs
	anyGroup   bool
	groups     []string
	anyKind    bool
	kinds      []string // resources, with their subresources
	subs       []string // of "*/subresource"
	namespaces []string // nil: all
	names      []string // nil: all
	paths      []string // exact ones
	prefixes   []string // of those with "*"; for them and paths only
}

func (r *Rule) compile() rule {
	c := rule{groups: r.APIGroups, namespaces: r.Namespaces, names: r.Names}
	for _, v := range r.Verbs {
		if v == all {
			c.verbs = anyVerb
		}
		c.verbs |= bitOf(v) &^ unknownVerb
	}
	if r.APIGroups == nil {
		c.groups = []string{""}
	}
	c.anyGroup = slices.Contains(r.APIGroups, all)
	for _, v := range r.Resources {
		if v == all {
			c.anyKind = true
		} else if sub, ok := strings.CutPrefix(v, "*/"); ok {
			c.subs = append(c.subs, sub)
		} else {
			c.kinds = append(c.kinds, v)
		}
	}
	for _, v := range r.Paths {
		if prefix, ok := strings.CutSuffix(v, all); ok {
			c.prefixes = append(c.prefixes, prefix)
		} else {
			c.paths = append(c.paths, v)
		}
	}
	return c
}

func (c *rule) matches(r *request) bool {
	if c.verbs&r.bit == 0 {
		return false
	}
	if !r.IsResource {
		return slices.Contains(c.paths, r.Path) || slices.ContainsFunc(c.prefixes, func(p string) bool { return strings.HasPrefix(r.Path, p) })
	}
	return (c.anyKind || slices.Contains(c.kinds, r.resource) || r.Subresource != "" && slices.Contains(c.subs, r.Subresource)) &&
		(c.namespaces == nil || slices.Contains(c.namespaces, r.Namespace)) &&
		(c.anyGroup || slices.Contains(c.groups, r.APIGroup)) &&
		(c.names == nil || slices.Contains(c.names, r.Name))
}

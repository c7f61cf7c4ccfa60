package grant

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-io/fairlead/deploy/requestinfo"
	"github.com/fairlead-io/fairlead/deploy/strictyaml"
)

// Rule says which requests match, as a PolicyRule of Kubernetes RBAC does: for
// resources, or for other paths.
type Rule struct {
	Verbs []string `yaml:"verbs"`
	// APIGroups are by default the core group, "".
	APIGroups []string `yaml:"apiGroups"`
	// Resources are of the form pods, pods/exec, */scale or *, which includes
	// subresources.
	Resources []string `yaml:"resources"`
	// Namespaces are by default all, and what has no namespace.
	Namespaces []string `yaml:"namespaces"`
	Names      []string `yaml:"names"`
	// Paths are those of requests that are not for resources, such as /healthz*.
	Paths []string `yaml:"paths"`
}

// UnmarshalYAML implements [yaml.Unmarshaler].
func (r *Rule) UnmarshalYAML(n *yaml.Node) error {
	type plain Rule
	return strictyaml.Decode(n, (*plain)(r), r.faults)
}

// Verbs of requests for resources, and the methods of others.
var (
	resourceVerbs = []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "proxy"}
	pathVerbs     = []string{"get", "head", "post", "put", "patch", "delete", "options"}
)

const everything = "*"

func (r *Rule) faults() (all []strictyaml.Fault) {
	known := resourceVerbs
	switch {
	case (len(r.Resources) == 0) == (len(r.Paths) == 0):
		all = append(all, strictyaml.Faultf("give resources, or paths").At("resources").Unless("paths"))
	case len(r.Paths) > 0 && (r.APIGroups != nil || r.Namespaces != nil || r.Names != nil):
		all = append(all, strictyaml.Faultf("paths have no apiGroups, namespaces or names").At("paths"))
	}
	if len(r.Resources) == 0 && len(r.Paths) > 0 {
		known = pathVerbs
	}
	if len(r.Verbs) == 0 {
		all = append(all, strictyaml.Faultf("none given; [\"*\"] means all").At("verbs"))
	}
	for i, v := range r.Verbs {
		if v != everything && !slices.Contains(known, v) {
			all = append(all, strictyaml.Faultf("verb %q is not one of %s, *", v, strings.Join(known, ", ")).At("verbs", i))
		}
	}
	for _, list := range []struct {
		key    string
		values []string
		check  func(string) error
	}{
		{"resources", r.Resources, r.checkResource}, {"paths", r.Paths, checkPath}, {"apiGroups", r.APIGroups, checkGroup},
		{"namespaces", r.Namespaces, checkName}, {"names", r.Names, checkName},
	} {
		if list.values != nil && len(list.values) == 0 {
			all = append(all, strictyaml.Faultf("the list is empty, so that the rule matches nothing").At(list.key))
		}
		for i, v := range list.values {
			if err := list.check(v); err != nil {
				all = append(all, strictyaml.Faultf("%w", err).At(list.key, i))
			}
		}
	}
	return all
}

func (r *Rule) checkResource(v string) error {
	if v == everything {
		return nil
	}
	name, sub, has := strings.Cut(v, "/")
	if name == "" || has && sub == "" || strings.ContainsAny(strings.TrimPrefix(v, "*/"), "* ") || v != strings.ToLower(v) || strings.Contains(sub, "/") {
		return fmt.Errorf("%q is not of the form pods, pods/exec, */scale or \"*\"", v)
	}
	if runs(name, sub) && !slices.Contains(r.Verbs, "create") && !slices.Contains(r.Verbs, everything) {
		return fmt.Errorf("%q runs commands in a cluster, whichever method is used, and needs the verb create", v)
	}
	return nil
}

func checkPath(v string) error {
	if v != everything && !strings.HasPrefix(v, "/") || strings.Contains(strings.TrimSuffix(v, everything), everything) {
		return fmt.Errorf("%q does not begin with a slash, or has a \"*\" that is not at its end", v)
	}
	return nil
}

func checkGroup(v string) error {
	if v != everything && (strings.ContainsAny(v, "* /") || v != strings.ToLower(v)) {
		return fmt.Errorf("%q is not the name of an API group, such as apps; \"\" is the core group", v)
	}
	return nil
}

func checkName(v string) error {
	if v == "" || strings.ContainsAny(v, "*/ ") {
		return fmt.Errorf("%q is not a name; without the key all match", v)
	}
	return nil
}

// symbol stands for a text that rules name, so that they compare numbers. 0 is every
// text that none names.
type symbol uint32

type symbols map[string]symbol

func (t symbols) add(texts []string) []symbol {
	if texts == nil {
		return nil
	}
	all := make([]symbol, len(texts))
	for i, s := range texts {
		if t[s] == 0 {
			t[s] = symbol(len(t) + 1)
		}
		all[i] = t[s]
	}
	return all
}

// request is what rules and conditions see of a request.
type request struct {
	*requestinfo.Info
	verb     string // that of the grants, which is create for what runs commands
	resource string // with the subresource

	bit                               verbs
	group, kind, sub, namespace, name symbol
}

// read takes over what an API server makes of a request. It reports false for one of which
// rules and conditions must not judge: it cannot be read, or servers may read it in
// different ways.
func (r *request) read(t symbols, info *requestinfo.Info, err error) (readable bool) {
	if err != nil || info.Ambiguous {
		return false
	}
	*r = request{Info: info, verb: Verb(info), resource: info.Resource}
	if info.IsResource && info.Subresource != "" {
		r.resource += "/" + info.Subresource
	}
	r.bit = bitOf(r.verb)
	r.group, r.kind, r.sub, r.namespace, r.name = t[info.APIGroup], t[r.resource], t[info.Subresource], t[info.Namespace], t[info.Name]
	return true
}

// newRequest is [request.read]; nil: it is not readable.
func newRequest(t symbols, info *requestinfo.Info, err error) *request {
	r := &request{}
	if !r.read(t, info, err) {
		return nil
	}
	return r
}

// Verb returns the verb by which a request is decided: that of Kubernetes, but create
// for what runs commands in a cluster, whichever way it is reached.
func Verb(info *requestinfo.Info) string {
	if info.IsResource && info.Verb == "get" && info.APIGroup == "" && runs(info.Resource, info.Subresource) {
		return "create"
	}
	return info.Verb
}

// runs reports whether a subresource of the core group runs commands in a cluster or
// connects to its pods. WebSockets reach it with GET and SPDY with POST, so that
// Kubernetes' verb tells one way from the other, and not reading from writing. That
// of nodes/proxy is the kubelet, which runs commands in all its pods.
func runs(resource, sub string) bool {
	switch sub {
	case "exec", "attach", "portforward":
		return resource == "pods" || resource == everything
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
	source     *Rule
	verbs      verbs
	anyGroup   bool
	anyKind    bool
	namespaces []symbol // nil: all
	kinds      []symbol // resources, with their subresources
	subs       []symbol // of "*/subresource"
	groups     []symbol
	names      []symbol // nil: all
	paths      []string // exact ones
	prefixes   []string // of those with "*"; for them and paths only
}

// compile gives the rule's texts symbols of t.
func (r *Rule) compile(t symbols) rule {
	c := rule{
		source: r,
		groups: t.add(r.APIGroups), namespaces: t.add(r.Namespaces), names: t.add(r.Names),
		anyGroup: slices.Contains(r.APIGroups, everything), anyKind: slices.Contains(r.Resources, everything),
	}
	for _, v := range r.Verbs {
		if v == everything {
			c.verbs = anyVerb
		}
		c.verbs |= bitOf(v) &^ unknownVerb
	}
	if r.APIGroups == nil {
		c.groups = t.add([]string{""})
	}
	for _, v := range r.Resources {
		if sub, ok := strings.CutPrefix(v, "*/"); ok {
			c.subs = append(c.subs, t.add([]string{sub})...)
		} else if v != everything {
			c.kinds = append(c.kinds, t.add([]string{v})...)
		}
	}
	for _, v := range r.Paths {
		if prefix, ok := strings.CutSuffix(v, everything); ok {
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
		return c.hasPath(r)
	}
	return c.hasNamespace(r) && c.hasKind(r) && c.hasGroup(r) && c.hasName(r)
}

func (c *rule) hasNamespace(r *request) bool {
	return c.namespaces == nil || slices.Contains(c.namespaces, r.namespace)
}

func (c *rule) hasKind(r *request) bool {
	return c.anyKind || slices.Contains(c.kinds, r.kind) || r.Subresource != "" && slices.Contains(c.subs, r.sub)
}

func (c *rule) hasGroup(r *request) bool { return c.anyGroup || slices.Contains(c.groups, r.group) }

func (c *rule) hasName(r *request) bool { return c.names == nil || slices.Contains(c.names, r.name) }

func (c *rule) hasPath(r *request) bool {
	return slices.Contains(c.paths, r.Path) || slices.ContainsFunc(c.prefixes, func(p string) bool { return strings.HasPrefix(r.Path, p) })
}

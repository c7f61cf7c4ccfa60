package allow

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-io/fairlead/deploy/requestinfo"
	"github.com/fairlead-io/fairlead/deploy/strictyaml"
)

// rule allows requests, in the words of Kubernetes' RBAC and of the bridge's grants.
// Namespaces and names that it leaves out are not restricted.
type rule struct {
	Verbs      []string `yaml:"verbs"`
	APIGroups  []string `yaml:"apiGroups"` // nil: the core group, ""
	Resources  []string `yaml:"resources"`
	Namespaces []string `yaml:"namespaces"`
	Names      []string `yaml:"names"`
	Paths      []string `yaml:"paths"` // of what is not a resource

	verbs verbSet
}

// UnmarshalYAML refuses a rule that can never match, or that says nothing.
func (r *rule) UnmarshalYAML(n *yaml.Node) error {
	type plain rule
	err := strictyaml.Decode(n, (*plain)(r), r.faults)
	for _, v := range r.Verbs {
		r.verbs |= verbsOf(v)
	}
	return err
}

func (r *rule) faults() (all []strictyaml.Fault) {
	add := func(f strictyaml.Fault) { all = append(all, f) }
	known := resourceVerbs
	switch {
	case (r.Resources == nil) == (r.Paths == nil):
		add(strictyaml.Faultf("a rule has either resources or paths").At("resources").Unless("paths"))
	case r.Paths != nil && (r.APIGroups != nil || r.Namespaces != nil || r.Names != nil):
		add(strictyaml.Faultf("apiGroups, namespaces and names restrict resources, not paths").At("paths"))
	}
	if r.Paths != nil && r.Resources == nil {
		known = pathVerbs
	}
	if r.Verbs == nil {
		add(strictyaml.Faultf(`a rule needs verbs; ["*"] for all`).At("verbs"))
	}
	all = append(all, each(r.Verbs, func(v string) error {
		if v != "*" && !slices.Contains(known, v) {
			return fmt.Errorf("verb %q: use %s or *", v, strings.Join(known, ", "))
		}
		return nil
	}, "verbs")...)
	for _, list := range []struct {
		key    string
		values []string
		check  func(string) error
	}{
		{"verbs", r.Verbs, nil}, {"apiGroups", r.APIGroups, checkGroup}, {"resources", r.Resources, r.checkResource},
		{"namespaces", r.Namespaces, checkPatternOrEmpty}, {"names", r.Names, checkPattern}, {"paths", r.Paths, checkPath},
	} {
		if list.values != nil && len(list.values) == 0 {
			add(strictyaml.Faultf("the list is empty, so that the rule allows nothing").At(list.key))
		}
		if list.check != nil {
			all = append(all, each(list.values, list.check, list.key)...)
		}
	}
	return all
}

var (
	resourceVerbs = []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "proxy"}
	pathVerbs     = []string{"get", "head", "post", "put", "patch", "delete", "options"}
)

func checkGroup(g string) error {
	if g != "*" && (strings.ContainsAny(g, "*/ ") || g != strings.ToLower(g)) {
		return fmt.Errorf("%q: a group is written without version and wildcard, such as apps; * is for all", g)
	}
	return nil
}

// checkResource accepts what RBAC does: pods, pods/log, */scale and *.
func (r *rule) checkResource(v string) error {
	resource, sub, _ := strings.Cut(v, "/")
	switch {
	case resource == "":
		return errors.New("it is empty")
	case strings.ContainsAny(sub, "*/"), strings.HasSuffix(v, "/"), v != strings.ToLower(v), resource != "*" && strings.Contains(resource, "*"):
		return fmt.Errorf("%q: write pods, pods/log, */scale or *", v)
	case runs(resource, sub) && !slices.Contains(r.Verbs, "create") && !slices.Contains(r.Verbs, "*"):
		return fmt.Errorf("%s runs commands in a cluster, whichever method is used, and needs the verb create", v)
	}
	return nil
}

// checkPatternOrEmpty: the namespace "" is that of what has none.
func checkPatternOrEmpty(p string) error {
	if p == "" {
		return nil
	}
	return checkPattern(p)
}

func checkPath(p string) error {
	if p != "*" && !strings.HasPrefix(p, "/") {
		return fmt.Errorf("%q: a path begins with a slash", p)
	}
	return checkPattern(p)
}

// verbSet is a set of verbs, so that most rules that do not match cost one operation.
type verbSet uint32

const everyVerb = ^verbSet(0)

// verbsOf returns the set of one verb; that of an unknown one is only in everyVerb.
func verbsOf(verb string) verbSet {
	if verb == "*" {
		return everyVerb
	}
	if i := slices.Index(resourceVerbs, verb); i >= 0 {
		return 1 << i
	}
	if i := slices.Index(pathVerbs, verb); i >= 0 {
		return 1 << (len(resourceVerbs) + i)
	}
	return 1 << 31
}

// allows reports whether the rule matches a request whose verb is in verbs. guarded is a
// namespace that the rule must name, "" for none.
func (r *rule) allows(info *requestinfo.Info, verbs verbSet, guarded string) bool {
	if r.verbs&verbs == 0 || info.IsResource != (r.Paths == nil) {
		return false
	}
	if !info.IsResource {
		return anyMatches(r.Paths, info.Path)
	}
	inNamespace := r.Namespaces == nil || anyMatches(r.Namespaces, info.Namespace)
	if guarded != "" {
		inNamespace = slices.Contains(r.Namespaces, guarded)
	}
	return inNamespace && r.allowsResource(info)
}

func (r *rule) allowsResource(info *requestinfo.Info) bool {
	inGroup := info.APIGroup == ""
	if r.APIGroups != nil {
		inGroup = slices.Contains(r.APIGroups, info.APIGroup) || slices.Contains(r.APIGroups, "*")
	}
	return inGroup &&
		slices.ContainsFunc(r.Resources, func(p string) bool { return matchesResource(p, info) }) &&
		(r.Names == nil || info.Name != "" && anyMatches(r.Names, info.Name))
}

func matchesResource(pattern string, info *requestinfo.Info) bool {
	if pattern == "*" {
		return true
	}
	if info.Subresource == "" {
		return pattern == info.Resource
	}
	resource, sub, ok := strings.Cut(pattern, "/")
	return ok && sub == info.Subresource && (resource == "*" || resource == info.Resource)
}

func anyMatches(patterns []string, s string) bool {
	for _, p := range patterns {
		if matches(p, s) {
			return true
		}
	}
	return false
}

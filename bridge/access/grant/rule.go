package grant

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
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
	if err := decode(n, (*plain)(r)); err != nil {
		return err
	}
	return r.check().in(n)
}

// Verbs of requests for resources, and the methods of others.
var (
	resourceVerbs = []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "proxy"}
	pathVerbs     = []string{"get", "head", "post", "put", "patch", "delete", "options"}
)

// all stands for everything.
const all = "*"

func (r *Rule) check() *fault {
	known := resourceVerbs
	switch {
	case (len(r.Resources) == 0) == (len(r.Paths) == 0):
		return faultf("resources", "requests: give resources, or paths")
	case len(r.Paths) > 0 && (r.APIGroups != nil || r.Namespaces != nil || r.Names != nil):
		return faultf("paths", "requests: paths have no apiGroups, namespaces or names")
	case len(r.Paths) > 0:
		known = pathVerbs
	}
	if len(r.Verbs) == 0 {
		return faultf("verbs", "requests: verbs: none given; \"*\" means all")
	}
	for _, v := range r.Verbs {
		if v != all && !slices.Contains(known, v) {
			return faultf("verbs", "requests: verb %q is not one of %s", v, strings.Join(known, ", "))
		}
	}
	for key, check := range map[string]struct {
		values []string
		check  func(string) error
	}{
		"resources": {r.Resources, r.checkResource}, "paths": {r.Paths, checkPath}, "apiGroups": {r.APIGroups, checkGroup},
		"namespaces": {r.Namespaces, checkName}, "names": {r.Names, checkName},
	} {
		if check.values != nil && len(check.values) == 0 {
			return faultf(key, "requests: %s: empty", key)
		}
		for _, v := range check.values {
			if err := check.check(v); err != nil {
				return faultf(key, "requests: %s: %w", key, err)
			}
		}
	}
	return nil
}

func (r *Rule) checkResource(v string) error {
	if v == all {
		return nil
	}
	name, sub, has := strings.Cut(v, "/")
	if name == "" || has && sub == "" || strings.ContainsAny(strings.TrimPrefix(v, "*/"), "* ") || v != strings.ToLower(v) || strings.Contains(sub, "/") {
		return fmt.Errorf("%q is not of the form pods, pods/exec, */scale or \"*\"", v)
	}
	if runs(name, sub) && !slices.Contains(r.Verbs, "create") && !slices.Contains(r.Verbs, all) {
		return fmt.Errorf("%q runs commands in a cluster, whichever method is used, and needs the verb create", v)
	}
	return nil
}

func checkPath(v string) error {
	if v != all && !strings.HasPrefix(v, "/") || strings.Contains(strings.TrimSuffix(v, all), all) {
		return fmt.Errorf("%q does not begin with a slash, or has a \"*\" that is not at its end", v)
	}
	return nil
}

func checkGroup(v string) error {
	if v != all && (strings.ContainsAny(v, "* /") || v != strings.ToLower(v)) {
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

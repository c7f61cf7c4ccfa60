package allow

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-io/fairlead/deploy/strictyaml"
	"github.com/fairlead-io/fairlead/subjects"
)

// as says in whose name requests may be executed.
type as struct {
	Agent           bool                `yaml:"agent"`
	Users           []string            `yaml:"users"`
	Groups          []string            `yaml:"groups"`
	ServiceAccounts []string            `yaml:"serviceAccounts"` // NAMESPACE/NAME
	UIDs            []string            `yaml:"uids"`
	Extra           map[string][]string `yaml:"extra"`
}

const (
	systemPrefix         = "system:"
	serviceAccountPrefix = "system:serviceaccount:"
	kubeSystem           = "kube-system"
)

// UnmarshalYAML refuses patterns that would cover nothing, or more than they seem to.
func (a *as) UnmarshalYAML(n *yaml.Node) error {
	type plain as
	return strictyaml.Decode(n, (*plain)(a), a.faults)
}

func (a *as) faults() (all []strictyaml.Fault) {
	all = slices.Concat(each(a.Users, checkName, "users"), each(a.Groups, checkName, "groups"),
		each(a.ServiceAccounts, checkServiceAccount, "serviceAccounts"), each(a.UIDs, checkPattern, "uids"))
	for _, key := range slices.Sorted(maps.Keys(a.Extra)) {
		all = append(all, each(a.Extra[key], checkPattern, "extra", key)...)
	}
	return all
}

// each checks the strings of the list that path leads to.
func each(list []string, check func(string) error, path ...any) (all []strictyaml.Fault) {
	for i, s := range list {
		if err := check(s); err != nil {
			all = append(all, strictyaml.Faultf("%w", err).At(append(path, i)...))
		}
	}
	return all
}

func checkName(p string) error {
	if strings.HasPrefix(p, systemPrefix) && strings.HasSuffix(p, "*") {
		return fmt.Errorf("%q: names that begin with system: are listed one by one; service accounts stand under serviceAccounts", p)
	}
	return checkPattern(p)
}

func checkServiceAccount(p string) error {
	namespace, name, ok := strings.Cut(p, "/")
	if !ok || strings.Contains(name, "/") {
		return fmt.Errorf("%q: write NAMESPACE/NAME", p)
	}
	return errors.Join(checkPattern(namespace), checkPattern(name))
}

// judge says why a request may not be executed as id, which is nil for the agent
// itself. own is the agent's namespace.
func (a *as) judge(id *subjects.Identity, own string) *Refusal {
	if id == nil {
		if a != nil && !a.Agent {
			return refuse(reasonAgent, "as.agent", "requests are not executed as the agent itself")
		}
		return nil
	}
	if a == nil {
		return refuse(reasonIdentity, "as", "no user is listed, and the request is for user %.100q", id.User)
	}
	serviceAccount, ok := a.serviceAccount(id.User, own)
	if !ok && !covers(a.Users, id.User) {
		return refuse(reasonIdentity, "as.users", "user %.100q is not listed%s", id.User, literally(id.User))
	}
	for _, g := range id.Groups {
		if g != "system:authenticated" && !covers(a.Groups, g) && !slices.Contains(serviceAccount, g) {
			return refuse(reasonIdentity, "as.groups", "group %.100q of user %.100q is not listed%s", g, id.User, literally(g))
		}
	}
	if id.UID != "" && !slices.ContainsFunc(a.UIDs, func(p string) bool { return matches(p, id.UID) }) {
		return refuse(reasonIdentity, "as.uids", "UID %.100q of user %.100q is not listed", id.UID, id.User)
	}
	for key, values := range id.Extra {
		for _, v := range values {
			if !slices.ContainsFunc(a.Extra[key], func(p string) bool { return matches(p, v) }) {
				return refuse(reasonIdentity, "as.extra", "extra %.100q of user %.100q has a value that is not listed", key, id.User)
			}
		}
	}
	return nil
}

// covers reports whether a list of users or groups has a name. Wildcards do not cover
// what Kubernetes keeps for itself.
func covers(patterns []string, name string) bool {
	if strings.HasPrefix(name, systemPrefix) {
		return slices.Contains(patterns, name)
	}
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, name) })
}

func literally(name string) string {
	if strings.HasPrefix(name, systemPrefix) {
		return " (wildcards do not cover names that begin with system:)"
	}
	return ""
}

// serviceAccount reports whether a user is a service account that is listed. Its groups
// are those that the API server gives it. Wildcards of the namespace do not cover
// kube-system, whose accounts may do nearly everything, nor the agent's own namespace.
func (a *as) serviceAccount(user, own string) (groups []string, ok bool) {
	rest, ok := strings.CutPrefix(user, serviceAccountPrefix)
	if !ok {
		return nil, false
	}
	namespace, name, ok := strings.Cut(rest, ":")
	if !ok || namespace == "" || name == "" {
		return nil, false
	}
	for _, p := range a.ServiceAccounts {
		inNamespace, named, _ := strings.Cut(p, "/")
		guarded := namespace == kubeSystem || namespace == own
		if (inNamespace == namespace || !guarded && matches(inNamespace, namespace)) && matches(named, name) {
			return []string{"system:serviceaccounts", "system:serviceaccounts:" + namespace}, true
		}
	}
	return nil, false
}

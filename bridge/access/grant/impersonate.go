package grant

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/deploy/strictyaml"
	"github.com/fairlead-io/fairlead/subjects"
)

// Impersonate says as whom callers may act by headers of their own, as those of
// kubectl --as. A value may end in "*", for every one that begins so; only names
// without one stand for Kubernetes' own, which begin with "system:".
type Impersonate struct {
	Users  []string `yaml:"users"`
	Groups []string `yaml:"groups"`
	// ServiceAccounts are of the form namespace/name or namespace/*.
	ServiceAccounts []string            `yaml:"serviceAccounts"`
	UIDs            []string            `yaml:"uids"`
	Extra           map[string][]string `yaml:"extra"`
}

// UnmarshalYAML implements [yaml.Unmarshaler].
func (m *Impersonate) UnmarshalYAML(n *yaml.Node) error {
	type plain Impersonate
	return strictyaml.Decode(n, (*plain)(m), m.faults)
}

func (m *Impersonate) faults() (all []strictyaml.Fault) {
	if len(m.Users) == 0 && len(m.ServiceAccounts) == 0 {
		all = append(all, strictyaml.Faultf("give users or serviceAccounts; groups are for a user").At("users").Unless("serviceAccounts"))
	}
	add := func(values []string, path ...any) {
		for i, v := range values {
			if err := checkPattern(v); err != nil {
				all = append(all, strictyaml.Faultf("%w", err).At(append(path, i)...))
			}
		}
	}
	add(m.Users, "users")
	add(m.Groups, "groups")
	add(m.UIDs, "uids")
	for _, k := range slices.Sorted(maps.Keys(m.Extra)) {
		if k == "" || k != strings.ToLower(k) {
			all = append(all, strictyaml.Faultf("the key %q is not in lower case", k).At("extra", k))
		}
		add(m.Extra[k], "extra", k)
	}
	for i, v := range m.ServiceAccounts {
		ns, name, ok := strings.Cut(v, "/")
		if !ok || strings.Contains(ns, "*") || ns == "" || checkPattern(name) != nil || name != "*" && strings.Contains(name, "*") {
			all = append(all, strictyaml.Faultf("%q is not of the form namespace/name or namespace/*", v).At("serviceAccounts", i))
		}
	}
	return all
}

// checkPattern demands a value with no "*" but at its end.
func checkPattern(v string) error {
	if v == "" || strings.Contains(strings.TrimSuffix(v, "*"), "*") {
		return fmt.Errorf("%q is not a name, nor the beginning of one with \"*\"", v)
	}
	return nil
}

// allows returns why the caller may not act as id, nil if it may.
func (m *Impersonate) allows(id *subjects.Identity) error {
	if m == nil {
		return fmt.Errorf("it has no mayImpersonate")
	}
	own, isAccount := m.account(id.User)
	if !isAccount && !matchAny(m.Users, id.User) {
		return fmt.Errorf("its mayImpersonate does not name user %q", answer.Clip(id.User))
	}
	for _, group := range id.Groups {
		if !matchAny(m.Groups, group) && !slices.Contains(own, group) {
			return fmt.Errorf("its mayImpersonate does not name group %q", answer.Clip(group))
		}
	}
	if id.UID != "" && !matchAny(m.UIDs, id.UID) {
		return fmt.Errorf("its mayImpersonate does not name uid %q", answer.Clip(id.UID))
	}
	for k, values := range id.Extra {
		for _, v := range values {
			if !matchAny(m.Extra[k], v) {
				return fmt.Errorf("its mayImpersonate does not name value %q of extra %q", answer.Clip(v), answer.Clip(k))
			}
		}
	}
	return nil
}

// account reports whether a user is a service account that serviceAccounts names,
// and which groups it has from Kubernetes, so that the caller may name these too.
func (m *Impersonate) account(user string) (own []string, ok bool) {
	rest, isAccount := strings.CutPrefix(user, "system:serviceaccount:")
	ns, name, two := strings.Cut(rest, ":")
	if !isAccount || !two || ns == "" || name == "" || strings.ContainsAny(name, ":/") || strings.Contains(ns, "/") {
		return nil, false
	}
	if !slices.Contains(m.ServiceAccounts, ns+"/"+name) && !slices.Contains(m.ServiceAccounts, ns+"/*") {
		return nil, false
	}
	return []string{"system:serviceaccounts", "system:serviceaccounts:" + ns, "system:authenticated"}, true
}

func matchAny(patterns []string, s string) bool {
	for _, p := range patterns {
		if p == s && !strings.HasSuffix(p, "*") {
			return true
		}
		if prefix, ok := strings.CutSuffix(p, "*"); ok && strings.HasPrefix(s, prefix) && !isSystem(s) {
			return true
		}
	}
	return false
}

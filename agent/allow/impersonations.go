package allow

import (
	"maps"
	"slices"
	"strings"
)

// Impersonation is an RBAC right that the agent needs in order to act as an identity
// of a [List].
type Impersonation struct {
	// Group, Resource and Subresource are those of the rule.
	Group, Resource, Subresource string
	// Namespace is that of a service account, "" for all.
	Namespace string
	// Name is the user, group, service account, UID or value; "" for all of them, since
	// RBAC has no patterns.
	Name string
}

const authenticationGroup = "authentication.k8s.io"

// Impersonations returns the rights that the identities of the list need.
func (l *List) Impersonations() []Impersonation {
	if l.As == nil {
		return nil
	}
	var all []Impersonation
	add := func(i Impersonation, names ...string) {
		for _, name := range names {
			if i.Name = name; strings.HasSuffix(name, "*") {
				i.Name = ""
			}
			if !slices.Contains(all, i) {
				all = append(all, i)
			}
		}
	}
	add(Impersonation{Resource: "users"}, l.As.Users...)
	add(Impersonation{Resource: "groups"}, l.As.Groups...)
	for _, account := range l.As.ServiceAccounts {
		namespace, name, _ := strings.Cut(account, "/")
		if strings.HasSuffix(namespace, "*") {
			namespace = ""
		}
		add(Impersonation{Resource: "serviceaccounts", Namespace: namespace}, name)
	}
	add(Impersonation{Group: authenticationGroup, Resource: "uids"}, l.As.UIDs...)
	for _, key := range slices.Sorted(maps.Keys(l.As.Extra)) {
		add(Impersonation{Group: authenticationGroup, Resource: "userextras", Subresource: key}, l.As.Extra[key]...)
	}
	return all
}

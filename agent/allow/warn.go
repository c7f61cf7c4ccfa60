package allow

import (
	"slices"
	"strings"

	"github.com/fairlead-io/fairlead/deploy/strictyaml"
)

// linter looks for what a list can be used with and its owner probably did not mean.
type linter struct {
	config
	own   string
	found []strictyaml.Fault
}

// Warnings are about what can be used and is probably not meant: rules that never match or
// add nothing, and what opens more than it seems to. own is as for [Parse]. There are none
// about a list with faults. Each is one of [strictyaml.Faults], with its line and key.
func Warnings(content []byte, own string) []error {
	var c config
	root, err := strictyaml.Parse(content, &c)
	if err != nil || root == nil {
		return nil
	}
	l := &linter{config: c, own: own}
	l.identities()
	for i := range l.Requests {
		l.names(i)
		l.closed(i)
		l.opened(i)
	}
	l.redundant()
	return strictyaml.Faults(strictyaml.Locate(root, strictyaml.In(root, l.found...)))
}

func (l *linter) warn(at []any, format string, args ...any) {
	l.found = append(l.found, strictyaml.Faultf(format, args...).At(at...))
}

// is reports whether a switch of the list stands and has a value.
func is(b *bool, value bool) bool { return b != nil && *b == value }

// powerful are groups of which members may do everything in a cluster.
var powerful = map[string]string{
	"system:masters":         "whatever RBAC says",
	"kubeadm:cluster-admins": "in clusters that kubeadm made",
}

// identities warns about users and groups that nobody has, and that stand for many.
func (l *linter) identities() {
	if l.As == nil {
		return
	}
	if len(l.As.Users) == 0 && len(l.As.ServiceAccounts) == 0 {
		for _, key := range []struct {
			name string
			has  bool
		}{{"groups", len(l.As.Groups) > 0}, {"uids", len(l.As.UIDs) > 0}, {"extra", len(l.As.Extra) > 0}} {
			if key.has {
				l.warn([]any{"as", key.name}, "they are of users, and none is listed under users or serviceAccounts")
			}
		}
		return
	}
	for i, u := range l.As.Users {
		if u == "*" {
			l.warn([]any{"as", "users", i}, "it stands for every user but Kubernetes' own, such as those whom the cluster's owner made administrators: begin it with a prefix of the platform's")
		}
	}
	for i, g := range l.As.Groups {
		if why, has := powerful[g]; has {
			l.warn([]any{"as", "groups", i}, "%s may do everything, %s", g, why)
		} else if g == "*" {
			l.warn([]any{"as", "groups", i}, "it stands for every group but those of system:, such as kubeadm:cluster-admins, which may do everything in clusters that kubeadm made: begin it with a prefix of the platform's")
		}
	}
	for i, s := range l.As.ServiceAccounts {
		if strings.HasPrefix(s, "*") {
			l.warn([]any{"as", "serviceAccounts", i}, "it stands for service accounts of nearly every namespace, and so for controllers with rights in the whole cluster: name the namespaces")
		}
	}
}

// has reports whether a rule has one of some verbs.
func (r *rule) has(verbs ...string) bool {
	return slices.ContainsFunc(verbs, func(v string) bool { return r.verbs&verbsOf(v) != 0 })
}

// groups are the API groups of a rule for resources.
func (r *rule) groups() []string {
	if r.APIGroups == nil {
		return []string{""}
	}
	return r.APIGroups
}

// inGroup reports whether a rule is for an API group.
func (r *rule) inGroup(group string) bool {
	return slices.Contains(r.groups(), group) || slices.Contains(r.groups(), "*")
}

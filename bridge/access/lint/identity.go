package lint

import (
	"strings"

	"github.com/fairlead-io/fairlead/bridge/access/expr"
	"github.com/fairlead-io/fairlead/bridge/access/grant"
)

// system is how names of Kubernetes' own begin.
const system = "system:"

// identity warns about users and groups of Kubernetes' own.
func (l *linter) identity(i int, g *grant.Grant) {
	if user, err := g.As.User.Makes(); g.As.User != "" && err == nil {
		for _, m := range user {
			l.systemName([]any{"grants", i, "as", "user"}, m, "user")
		}
	}
	if groups, err := g.As.Groups.Makes(); g.As.Groups != "" && err == nil {
		for _, m := range groups {
			l.systemName([]any{"grants", i, "as", "groups"}, m, "group")
		}
	}
	if g.MayImpersonate == nil {
		return
	}
	for _, of := range []struct {
		key, kind string
		names     []string
	}{{"users", "user", g.MayImpersonate.Users}, {"groups", "group", g.MayImpersonate.Groups}} {
		for k, n := range of.names {
			at := []any{"grants", i, "mayImpersonate", of.key, k}
			if prefix, is := strings.CutSuffix(n, "*"); is && isSystem(prefix) {
				l.warn(at, "a * never stands for names of Kubernetes' own, so that it matches nothing: write them one by one, and service accounts under serviceAccounts")
				continue
			}
			l.systemName(at, expr.Made{Prefix: n, Whole: true}, of.kind)
		}
	}
}

func isSystem(s string) bool {
	return len(s) >= len(system) && strings.EqualFold(s[:len(system)], system)
}

func (l *linter) systemName(at []any, m expr.Made, kind string) {
	switch {
	case !isSystem(m.Prefix):
	case !m.Whole:
		l.warn(at, "a %s that begins with system: must stand in the expression as it is: requests under this grant are refused", kind)
	case m.Prefix == "system:masters":
		l.warn(at, "system:masters may do everything in a cluster, whatever its owner's RBAC says")
	case m.Prefix == "system:authenticated":
		l.warn(at, "the API server adds the group system:authenticated by itself: leave it out")
	case strings.HasPrefix(m.Prefix, "system:serviceaccount:") && len(at) > 3 && at[2] == "mayImpersonate":
		l.warn(at, "write service accounts under serviceAccounts, as namespace/name: callers may then also name their groups")
	default:
		l.warn(at, "%s is a %s of Kubernetes' own: its rights are those of a component, and not what the cluster's owner bound for callers", m.Prefix, kind)
	}
}

package lint

import (
	"fmt"
	"maps"
	"slices"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/deploy/nearest"
)

// patterns warns about clusters that no tenant has.
func (l *linter) patterns() {
	for _, text := range slices.Sorted(maps.Keys(l.config.Clusters)) {
		l.pattern([]any{"clusters", text}, text)
	}
	for i := range l.config.Grants {
		for k, p := range l.config.Grants[i].Clusters {
			l.pattern([]any{"grants", i, "clusters", k}, string(p))
		}
	}
}

func (l *linter) pattern(at []any, text string) {
	p, err := access.ParsePattern(text)
	if err != nil || l.known.Tenants == nil {
		return
	}
	ref := p.Ref()
	if ref.Tenant == "" {
		return
	}
	clusters, there := l.known.Tenants[ref.Tenant]
	switch {
	case !there:
		l.warn(at, "%s", l.noTenant(ref.Tenant))
	case ref.Cluster != "" && clusters != nil && !slices.Contains(clusters, ref.Cluster):
		l.warn(at, "tenant %q has no cluster %q%s", ref.Tenant, ref.Cluster, meant(ref.Cluster, clusters))
	}
}

func (l *linter) tenant(at []any, tenant string) {
	if _, there := l.known.Tenants[tenant]; !there && l.known.Tenants != nil {
		l.warn(at, "%s", l.noTenant(tenant))
	}
}

func (l *linter) noTenant(tenant string) string {
	known := slices.Sorted(maps.Keys(l.known.Tenants))
	text := fmt.Sprintf("there is no tenant %q", tenant)
	if near := nearest.Name(tenant, known); near != "" {
		return text + fmt.Sprintf(": did you mean %q?", near)
	}
	if tenant == "default" {
		text += ", which is that of clusters that are written without a tenant"
	}
	return text
}

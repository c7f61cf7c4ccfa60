package grant

import (
	"fmt"
	"maps"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/subjects"
)

// labels has the labels of clusters, merged when the file is read: those of a
// cluster include those of its tenant, and those of a tenant include those of all.
type labels struct {
	clusters map[subjects.ClusterRef]map[string]string
	tenants  map[string]map[string]string
	all      map[string]string
}

func (c Clusters) compile() (*labels, error) {
	l := &labels{clusters: make(map[subjects.ClusterRef]map[string]string), tenants: make(map[string]map[string]string)}
	exact := make(map[subjects.ClusterRef]map[string]string)
	for text, cluster := range c {
		p, err := access.ParsePattern(text)
		if err != nil {
			return nil, fmt.Errorf("clusters: %w", err)
		}
		ref := p.Ref()
		switch {
		case ref.Tenant == "":
			l.all = cluster.Labels
		case ref.Cluster == "":
			l.tenants[ref.Tenant] = cluster.Labels
		default:
			exact[ref] = cluster.Labels
		}
	}
	for t, own := range l.tenants {
		l.tenants[t] = merged(l.all, own)
	}
	for ref, own := range exact {
		l.clusters[ref] = merged(l.of(ref), own)
	}
	return l, nil
}

func merged(general, specific map[string]string) map[string]string {
	m := make(map[string]string, len(general)+len(specific))
	maps.Copy(m, general)
	maps.Copy(m, specific)
	return m
}

func (l *labels) of(ref subjects.ClusterRef) map[string]string {
	if m, ok := l.clusters[ref]; ok {
		return m
	}
	if m, ok := l.tenants[ref.Tenant]; ok {
		return m
	}
	return l.all
}

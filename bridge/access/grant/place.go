package grant

import (
	"context"
	"fmt"
	"maps"
	"sync"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/subjects"
)

// place is what the grants make of a caller in a cluster. It is never changed.
type place struct {
	// grants are those whose conditions on the caller and the cluster hold, in order, and
	// whose conditions on the request can hold for some request.
	grants []*holding
	labels map[string]string
}

// maxPlaces bounds the clusters that are kept for a caller, each at 8 bytes for each
// of its grants. A caller that uses more waits a little longer for decisions about
// the others.
const maxPlaces = 64

type places struct {
	mu   sync.RWMutex
	kept map[subjects.ClusterRef]*place
}

func (p *places) get(ref subjects.ClusterRef) *place {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.kept[ref]
}

func (p *places) put(ref subjects.ClusterRef, made *place) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.kept == nil {
		p.kept = make(map[subjects.ClusterRef]*place)
	}
	if len(p.kept) < maxPlaces {
		p.kept[ref] = made
	}
}

// place returns what the grants make of a caller in a cluster. The only error is that
// ctx has ended.
func (g *Grants) place(ctx context.Context, s *standing, c *access.Caller, ref subjects.ClusterRef) (*place, error) {
	if p := s.places.get(ref); p != nil {
		return p, nil
	}
	p := &place{labels: g.labels.of(ref)}
	v := &vars{caller: c, cluster: ref, labels: p.labels}
	for i := range s.grants {
		if h := &s.grants[i]; h.grant.covers(ref) && h.grant.holdsAt(ctx, v) && h.grant.canHold(ctx, v) {
			p.grants = append(p.grants, h)
		}
	}
	if ctx.Err() != nil { // conditions may have failed for that
		return nil, tooLate(ctx)
	}
	if len(p.grants) > 0 { // names that callers make up take no place
		s.places.put(ref, p)
	}
	return p, nil
}

// covers reports whether the grant is for the cluster.
func (g *grant) covers(ref subjects.ClusterRef) bool {
	for i := range g.clusters {
		if g.clusters[i].Match(ref) {
			return true
		}
	}
	return false
}

// canHold reports whether the conditions that look at the caller or the cluster and at
// the request can hold for some request.
func (g *grant) canHold(ctx context.Context, v *vars) bool {
	for _, p := range g.mixed {
		if !p.Possible(ctx, v, requestNames...) {
			return false
		}
	}
	return true
}

// holdsAt reports whether the conditions on the cluster hold.
func (g *grant) holdsAt(ctx context.Context, v *vars) bool {
	for _, p := range g.onCluster {
		if is, _ := p.Bool(ctx, v); !is {
			return false
		}
	}
	return true
}

// labels has the labels of clusters, merged when the file is read: those of a
// cluster include those of its tenant, and those of a tenant include those of all.
type labels struct {
	clusters map[subjects.ClusterRef]map[string]string
	tenants  map[string]map[string]string
	all      map[string]string
	names    map[string][]string // of the clusters, by tenant
}

func (c Clusters) compile() (*labels, error) {
	l := &labels{clusters: make(map[subjects.ClusterRef]map[string]string), tenants: make(map[string]map[string]string), names: make(map[string][]string)}
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
		l.names[ref.Tenant] = append(l.names[ref.Tenant], ref.Cluster)
	}
	return l, nil
}

func merged(general, specific map[string]string) map[string]string {
	m := make(map[string]string, len(general)+len(specific))
	maps.Copy(m, general)
	maps.Copy(m, specific)
	return m
}

// ClusterLabels implements [access.Labeler].
func (g *Grants) ClusterLabels(ref subjects.ClusterRef) map[string]string { return g.labels.of(ref) }

// LabeledClusters implements [access.Labeler].
func (g *Grants) LabeledClusters(tenant string) []string { return g.labels.names[tenant] }

func (l *labels) of(ref subjects.ClusterRef) map[string]string {
	if m, ok := l.clusters[ref]; ok {
		return m
	}
	if m, ok := l.tenants[ref.Tenant]; ok {
		return m
	}
	return l.all
}

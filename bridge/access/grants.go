package access

import (
	"fmt"
	"strings"

	"github.com/fairlead-io/fairlead/subjects"
)

// Pattern names clusters, by one of these forms:
//
//	prod         cluster prod of the default tenant
//	prod.acme    cluster prod of tenant acme
//	*.acme       every cluster of tenant acme
//	*            every cluster of every tenant
type Pattern struct {
	cluster, tenant string // "" stands for any
}

// ParsePattern is the inverse of [Pattern.String].
func ParsePattern(s string) (Pattern, error) {
	if s == "*" {
		return Pattern{}, nil
	}
	if tenant, ok := strings.CutPrefix(s, "*."); ok {
		if err := subjects.CheckName(tenant); err != nil {
			return Pattern{}, fmt.Errorf("tenant %w", err)
		}
		return Pattern{tenant: tenant}, nil
	}
	ref, err := subjects.ParseClusterRef(s)
	if err != nil {
		return Pattern{}, err
	}
	return Pattern{cluster: ref.Cluster, tenant: ref.Tenant}, nil
}

// Match reports whether p names ref.
func (p *Pattern) Match(ref subjects.ClusterRef) bool {
	return (p.tenant == "" || p.tenant == ref.Tenant) && (p.cluster == "" || p.cluster == ref.Cluster)
}

func (p *Pattern) String() string {
	switch {
	case p.tenant == "":
		return "*"
	case p.cluster == "":
		return "*." + p.tenant
	}
	return subjects.ClusterRef{Tenant: p.tenant, Cluster: p.cluster}.String()
}

// Grants is the [Authorizer] that reads [Caller].Clusters.
type Grants struct{}

// Authorize implements [Authorizer].
func (Grants) Authorize(c *Caller, ref subjects.ClusterRef) error {
	for i := range c.Clusters {
		if c.Clusters[i].Match(ref) {
			return nil
		}
	}
	return fmt.Errorf("caller %q has no grant for cluster %q", c.Name, ref)
}

// AuthorizeTenant implements [Authorizer].
func (Grants) AuthorizeTenant(c *Caller, tenant string) bool {
	for i := range c.Clusters {
		if t := c.Clusters[i].tenant; t == "" || t == tenant {
			return true
		}
	}
	return false
}

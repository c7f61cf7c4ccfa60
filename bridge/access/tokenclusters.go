package access

import (
	"context"
	"fmt"
	"strings"

	"github.com/fairlead-io/fairlead/bridge/answer"
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
	if strings.Contains(s, "*") {
		return Pattern{}, fmt.Errorf("%.63q: a * stands for a whole part only: write CLUSTER.TENANT, *.TENANT for all clusters of a tenant, or *", s)
	}
	ref, err := subjects.ParseClusterRef(s)
	if err != nil {
		return Pattern{}, err
	}
	return Pattern{cluster: ref.Cluster, tenant: ref.Tenant}, nil
}

// Ref returns the cluster that p names; a part of it is empty where p names all.
func (p *Pattern) Ref() subjects.ClusterRef {
	return subjects.ClusterRef{Tenant: p.tenant, Cluster: p.cluster}
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

// TokenClusters is the [Authorizer] that looks at [Caller].Clusters: who may reach a cluster
// may make any request there, as the agent itself.
type TokenClusters struct{}

// asAgent is the decision of [TokenClusters], for every request.
var asAgent = &Decision{Grant: "clusters of the token"}

// Authorize implements [Authorizer].
func (g TokenClusters) Authorize(_ context.Context, c *Caller, req *Request) (*Decision, error) {
	if !g.Visible(c, req.Cluster) {
		return nil, NoGrant(c, req.Cluster)
	}
	if req.As != nil {
		return nil, NoImpersonation(c, req.As)
	}
	return asAgent, nil
}

// NoGrant is the error of an [Authorizer] for a caller without any grant for a
// cluster. It is the same whether or not there is such a cluster.
func NoGrant(c *Caller, ref subjects.ClusterRef) error {
	return fmt.Errorf("caller %q has no grant for cluster %q; nothing was executed", c.Name, ref)
}

// NoImpersonation is the error of an [Authorizer] where no grant lets the caller act
// as the user that its own headers name.
func NoImpersonation(c *Caller, as *subjects.Identity) error {
	return answer.Failf(answer.Impersonation, "impersonation through this bridge is not allowed: the request has the header \"Impersonate-User\", "+
		"and no grant lets caller %q act as user %q; nothing was executed", c.Name, answer.Clip(as.User))
}

// Visible implements [Authorizer].
func (TokenClusters) Visible(c *Caller, ref subjects.ClusterRef) bool {
	for i := range c.Clusters {
		if c.Clusters[i].Match(ref) {
			return true
		}
	}
	return false
}

// AuthorizeTenant implements [Authorizer].
func (TokenClusters) AuthorizeTenant(c *Caller, tenant string) bool {
	for i := range c.Clusters {
		if t := c.Clusters[i].tenant; t == "" || t == tenant {
			return true
		}
	}
	return false
}

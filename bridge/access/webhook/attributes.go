package webhook

import (
	"slices"

	authorizationv1 "k8s.io/api/authorization/v1"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/access/grant"
	"github.com/fairlead-io/fairlead/deploy/requestinfo"
	"github.com/fairlead-io/fairlead/subjects"
)

// Questions about the clusters of the bridge are asked as if there were objects:
// clusters.fairlead.io, with a tenant for a namespace. RBAC of an API server can answer
// them.
const (
	clusterGroup    = "fairlead.io"
	clusterResource = "clusters"
)

// Extra attributes of the user in each review.
const (
	extraCluster = "fairlead.io/cluster"
	extraTenant  = "fairlead.io/tenant"
	extraMethod  = "fairlead.io/authentication"
	extraIssuer  = "fairlead.io/issuer"
)

// authenticated is the group of all users that an API server has authenticated, which
// it adds itself.
const authenticated = "system:authenticated"

// subject returns a question about a caller that says what it is about except for the
// attributes.
func subject(c *access.Caller, ref subjects.ClusterRef) *authorizationv1.SubjectAccessReviewSpec {
	s := &authorizationv1.SubjectAccessReviewSpec{User: c.Name, UID: c.UID, Extra: map[string]authorizationv1.ExtraValue{}}
	if s.Groups = slices.Clone(c.Groups); !slices.Contains(s.Groups, authenticated) {
		s.Groups = append(s.Groups, authenticated)
	}
	for k, v := range c.Extra {
		s.Extra[k] = v
	}
	// Ours last: a caller's own attributes must not take their place.
	for k, v := range map[string]string{extraCluster: ref.Cluster, extraTenant: ref.Tenant, extraMethod: string(c.Method), extraIssuer: c.Issuer} {
		if delete(s.Extra, k); v != "" {
			s.Extra[k] = authorizationv1.ExtraValue{v}
		}
	}
	return s
}

// getCluster asks whether a caller may send requests to a cluster at all.
func getCluster(c *access.Caller, ref subjects.ClusterRef) *authorizationv1.SubjectAccessReviewSpec {
	s := subject(c, ref)
	s.ResourceAttributes = &authorizationv1.ResourceAttributes{
		Verb: "get", Group: clusterGroup, Version: "v1", Resource: clusterResource, Namespace: ref.Tenant, Name: ref.Cluster,
	}
	return s
}

// listClusters asks whether a caller may know of all clusters of a tenant.
func listClusters(c *access.Caller, tenant string) *authorizationv1.SubjectAccessReviewSpec {
	s := subject(c, subjects.ClusterRef{Tenant: tenant})
	s.ResourceAttributes = &authorizationv1.ResourceAttributes{
		Verb: "list", Group: clusterGroup, Version: "v1", Resource: clusterResource, Namespace: tenant,
	}
	return s
}

// requestTo asks about a request as the cluster's own API server would, except that it
// asks for create where a WebSocket client runs commands by GET: who may read may not
// run commands.
func requestTo(c *access.Caller, ref subjects.ClusterRef, info *requestinfo.Info) *authorizationv1.SubjectAccessReviewSpec {
	s := subject(c, ref)
	if !info.IsResource {
		s.NonResourceAttributes = &authorizationv1.NonResourceAttributes{Path: info.Path, Verb: info.Verb}
		return s
	}
	s.ResourceAttributes = &authorizationv1.ResourceAttributes{
		Verb: grant.Verb(info), Group: info.APIGroup, Version: info.APIVersion, Resource: info.Resource,
		Subresource: info.Subresource, Namespace: info.Namespace, Name: info.Name,
	}
	return s
}

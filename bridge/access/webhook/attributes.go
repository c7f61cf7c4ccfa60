package webhook

import (
	"crypto/sha256"
	"encoding/binary"
	"maps"
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

// question is what a service is asked: whether a caller may make a request to a
// cluster, or use or see clusters.
type question struct {
	caller  *access.Caller
	cluster subjects.ClusterRef
	kind    questionKind
	info    *requestinfo.Info // of a request
}

type questionKind byte

const (
	// getCluster asks whether the caller may send requests to the cluster at all.
	getCluster questionKind = iota
	// listClusters asks whether the caller may know of all clusters of the tenant.
	listClusters
	// requestTo asks about a request as the cluster's own API server would, except that
	// it asks for create where a WebSocket client runs commands by GET: who may read may
	// not run commands.
	requestTo
)

// digest tells questions apart. It has all that spec has.
func (q *question) digest() digest {
	b := make([]byte, 0, 1<<10)
	b = append(b, byte(q.kind))
	c := q.caller
	b = appendAll(b, c.Name, c.UID, string(c.Method), c.Issuer, q.cluster.Cluster, q.cluster.Tenant)
	b = binary.AppendUvarint(b, uint64(len(c.Groups)))
	b = appendAll(b, c.Groups...)
	b = binary.AppendUvarint(b, uint64(len(c.Extra)))
	for _, k := range slices.Sorted(maps.Keys(c.Extra)) {
		b = appendAll(b, k)
		b = binary.AppendUvarint(b, uint64(len(c.Extra[k])))
		b = appendAll(b, c.Extra[k]...)
	}
	if i := q.info; i != nil {
		b = appendAll(b, i.Verb, i.Path, i.APIGroup, i.APIVersion, i.Namespace, i.Resource, i.Subresource, i.Name)
	}
	return sha256.Sum256(b)
}

func appendAll(b []byte, all ...string) []byte {
	for _, s := range all {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return b
}

// spec returns the question as the service gets it.
func (q *question) spec() *authorizationv1.SubjectAccessReviewSpec {
	s := q.subject()
	info, ref := q.info, q.cluster
	switch {
	case q.kind == getCluster:
		s.ResourceAttributes = &authorizationv1.ResourceAttributes{
			Verb: "get", Group: clusterGroup, Version: "v1", Resource: clusterResource, Namespace: ref.Tenant, Name: ref.Cluster,
		}
	case q.kind == listClusters:
		s.ResourceAttributes = &authorizationv1.ResourceAttributes{
			Verb: "list", Group: clusterGroup, Version: "v1", Resource: clusterResource, Namespace: ref.Tenant,
		}
	case !info.IsResource:
		s.NonResourceAttributes = &authorizationv1.NonResourceAttributes{Path: info.Path, Verb: info.Verb}
	default:
		s.ResourceAttributes = &authorizationv1.ResourceAttributes{
			Verb: grant.Verb(info), Group: info.APIGroup, Version: info.APIVersion, Resource: info.Resource,
			Subresource: info.Subresource, Namespace: info.Namespace, Name: info.Name,
		}
	}
	return s
}

// subject returns the question without its attributes.
func (q *question) subject() *authorizationv1.SubjectAccessReviewSpec {
	c := q.caller
	s := &authorizationv1.SubjectAccessReviewSpec{User: c.Name, UID: c.UID, Extra: map[string]authorizationv1.ExtraValue{}}
	if s.Groups = slices.Clone(c.Groups); !slices.Contains(s.Groups, authenticated) {
		s.Groups = append(s.Groups, authenticated)
	}
	for k, v := range c.Extra {
		s.Extra[k] = v
	}
	// Ours last: a caller's own attributes must not take their place.
	for k, v := range map[string]string{extraCluster: q.cluster.Cluster, extraTenant: q.cluster.Tenant, extraMethod: string(c.Method), extraIssuer: c.Issuer} {
		if delete(s.Extra, k); v != "" {
			s.Extra[k] = authorizationv1.ExtraValue{v}
		}
	}
	return s
}

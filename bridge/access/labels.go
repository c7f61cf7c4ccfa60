package access

import "github.com/fairlead-io/fairlead/subjects"

// Labeler is an [Authorizer] that knows the labels which the operator gives clusters.
type Labeler interface {
	// ClusterLabels are the labels of a cluster. They must not be changed.
	ClusterLabels(ref subjects.ClusterRef) map[string]string
	// LabeledClusters are the clusters of a tenant that have labels by their names, in no
	// order. Not each of them need be one.
	LabeledClusters(tenant string) []string
}

// ClusterLabels are the labels that the operator gives a cluster, whoever calls. They must
// not be changed.
func (v *Visitor) ClusterLabels(ref subjects.ClusterRef) map[string]string {
	if l, ok := v.rules.Authorizer.(Labeler); ok {
		return l.ClusterLabels(ref)
	}
	return nil
}

// LabeledClusters are the clusters of a tenant that the operator has given labels by their
// names, whether or not the caller may know of them. Not each of them need be one.
func (v *Visitor) LabeledClusters(tenant string) []string {
	if l, ok := v.rules.Authorizer.(Labeler); ok {
		return l.LabeledClusters(tenant)
	}
	return nil
}

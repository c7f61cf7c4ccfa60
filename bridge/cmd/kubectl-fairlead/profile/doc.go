// Package profile keeps ClusterProfiles (multicluster.x-k8s.io/v1alpha1) for the clusters
// of a bridge, so that programs that know the Cluster Inventory API find and reach them.
//
// Invariants:
//
//   - A ClusterProfile that has another cluster manager is neither changed nor deleted.
//   - One is deleted only after a list of all clusters did not have its cluster.
//   - What has not changed is not written again.
//
// It starts no goroutines.
package profile

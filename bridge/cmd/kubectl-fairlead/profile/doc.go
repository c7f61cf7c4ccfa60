// Package profile keeps ClusterProfiles (multicluster.x-k8s.io/v1alpha1) for the clusters
// of a bridge, so that programs that know the Cluster Inventory API find and reach them.
//
// Invariants:
//
//   - A ClusterProfile that has another cluster manager is neither changed nor deleted.
//   - One is deleted only after lists of all clusters did not have its cluster for a while,
//     and never because a list has none at all.
//   - One that is kept with a choice of clusters is deleted only by whoever has that choice.
//   - What others add to a status stays theirs.
//   - What has not changed is not written again.
//
// It starts no goroutines.
package profile

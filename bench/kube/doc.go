// Package kube compares what programs with client-go do at a real API server, directly and
// through the tunnel.
//
// Invariants:
//
//   - Both sides do the same as the same user: the agent has the kubeconfig of the side that
//     is direct.
//   - Everything is made in one namespace, which [Cluster.Close] deletes. The pods of the
//     list are never scheduled.
//   - An answer that is not what was asked for fails the measurement.
//
// A Cluster is for one goroutine at a time.
package kube

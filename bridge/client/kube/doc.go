// Package kube makes configurations of client-go for the clusters of a bridge.
//
// Invariants:
//
//   - The token is asked of the client for each request, and goes to the bridge only.
//   - It has no goroutines.
package kube

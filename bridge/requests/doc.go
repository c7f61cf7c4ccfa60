// Package requests serves POST /v1/clusters/{cluster}/requests: one request of a cluster's
// API, written as JSON.
//
// Invariants:
//
//   - The cluster gets what /k8s would send: package call admits and carries the request.
//   - Bodies in memory are bounded, all together and those of a caller too.
//   - It has no goroutines.
package requests

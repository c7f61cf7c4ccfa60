// Package endpoint has what the routes of the platform API share, so that each part of
// the API can be a package of its own: how a path names things, and how a body is read.
//
// Invariants:
//
//   - What a path names of Kubernetes is decoded and valid before a route is served.
//   - Bodies are bounded, and unknown keys are refused. [Bodies] bounds those of all
//     requests together.
//   - It decides nothing about callers: each route asks the door of package access itself.
//   - It has no goroutines.
package endpoint

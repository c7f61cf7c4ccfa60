// Package binaries builds Kubernetes from the Go module proxy and caches it.
//
// Invariants:
//   - A cached folder is named after everything that shapes its content: the
//     Kubernetes version, the platform, and a hash over the Go version, the
//     build flags, go.mod, go.sum and the mains. It is never changed, only added.
//   - A folder appears under its name only when complete (built elsewhere, then
//     renamed), so no reader ever sees half a build.
//   - One build at a time for a cache: others wait for the lock, then find the
//     result.
package binaries

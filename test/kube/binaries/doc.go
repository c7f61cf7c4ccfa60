// Package binaries builds Kubernetes from the Go module proxy and caches it.
//
// Invariants:
//   - A cached folder is named after everything that determines its content: the
//     Kubernetes version, the platform, and a hash over the Go version, the
//     build flags, go.mod, go.sum and the mains. It is never changed.
//   - A folder appears under its name only when complete (built elsewhere, then
//     renamed), so no reader ever sees half a build.
//   - A cache has one build at a time: others wait for the lock, then find the
//     result.
package binaries

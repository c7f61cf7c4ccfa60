// Package platform serves the platform API below /v1, its description, and the
// health of the bridge.
//
// Invariants:
//
//   - openapi.yaml describes every route, and nothing else; a test holds both
//     together. The bodies are the types of package api.
//   - Every request about a cluster goes through [access.Door.Visit]. An access review
//     reaches the cluster through [tunnel.Tunnel.Call].
//   - Bodies are bounded, since they are in memory.
//   - Routes of other packages ([Platform.Add]) are served like its own ones; each asks
//     the door itself.
//   - Without a token there are only openapi.yaml, /livez and /readyz, which tell
//     nothing of tenants, clusters or causes.
//   - It has no goroutines that outlive a request.
package platform

// Package client calls the platform API of a Fairlead bridge, as /openapi.yaml describes
// it. It needs nothing but the standard library and the types of package api; what needs
// client-go is in package kube below it.
//
//	c, err := client.New("https://fairlead.example.com", client.Options{Token: client.TokenFile("/run/token")})
//	list, err := c.Clusters(ctx, client.ClusterFilter{})
//
// Invariants:
//
//   - The token is sent to the bridge's own scheme, host and port only. Redirects are not
//     followed, as the API has none.
//   - A request is sent again only if it cannot have been executed, or if it makes no
//     difference how often it is. How often and how long is bounded: see [Retry].
//   - Every failure that the bridge has answered is an [*Error], which matches the [Type]
//     of its problem document by [errors.Is].
//   - What a response may have in memory is bounded.
//   - What a request means is said here; package internal/exchange sends it, and package
//     internal/follow reads streams that go on over many connections. Neither knows the API.
//   - It has no goroutines of its own. A [Client] may be used by many at once.
package client

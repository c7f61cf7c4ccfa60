// Package hop has the span of a request on its way from the bridge through a broker to
// an agent: the bridge's side of it, which is the parent of the agent's.
//
// The span begins before the tenant's connection is looked up and lasts as long as the
// stream, whatever instances it was tried on. A nil [*Hop] is one that is not traced,
// and costs nothing.
package hop

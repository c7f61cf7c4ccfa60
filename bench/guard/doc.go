// Package guard holds what unary requests cost in allocations, which no noise
// of a machine blurs: a test fails above a bound, for both sides of the tunnel
// together. It has no code of its own.
package guard

// Package guard bounds the allocations of unary requests, which do not depend on
// the machine's load: a test fails if both sides of the tunnel together allocate
// more than a bound. It has only tests.
package guard

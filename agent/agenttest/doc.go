// Package agenttest is for the tests of the agent's packages: an API server, a
// broker with a tenant and a bridge, and the requests that go between them.
//
// Everything that it starts ends with the test that started it. No binary
// imports it.
package agenttest

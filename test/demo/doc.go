// Command demo is what 'make demo' runs: a Kubernetes, a bridge with its broker
// and an agent, all of them real and on this machine, and kubectl working
// through them.
//
// Everything that it writes is below .demo in the repository, and everything
// that it starts is stopped when it ends.
package main

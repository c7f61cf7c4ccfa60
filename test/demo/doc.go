// Command demo is run by 'make demo'. It starts a Kubernetes cluster, a bridge
// with its broker, and an agent on this machine, all of them real, and runs
// kubectl through them.
//
// Everything that it writes is below .demo in the repository, and everything
// that it starts is stopped when it ends.
package main

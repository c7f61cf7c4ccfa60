// Command kubeup builds a real Kubernetes and runs it on this machine, for
// tests and demonstrations. README.md beside this folder is its contract.
//
// Invariants:
//   - Standard library only, so building kubeup takes a second; Kubernetes
//     itself is compiled by the build subcommand.
//   - stdout carries results for programs, one per line; progress and errors go
//     to stderr.
//   - up returns only when everything that it started has stopped. If it is
//     killed, the kernel kills the processes and a child removes the node's
//     leftovers (see reap.go).
package main

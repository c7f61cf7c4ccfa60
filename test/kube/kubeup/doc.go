// Command kubeup builds a real Kubernetes and runs it on this machine, for
// tests and demonstrations. README.md beside this folder is its contract.
//
// Invariants:
//   - Standard library only, so building kubeup takes a second; Kubernetes
//     itself is compiled by the build subcommand.
//   - stdout carries results for programs, one per line; progress and errors go
//     to stderr.
//   - up returns only when all that it started has stopped. What it cannot do
//     itself because it was killed, the kernel (processes) and a child of its
//     own (the node's leftovers, see reap.go) do.
package main

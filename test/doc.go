// Package test holds what concerns the repository as a whole. Its folders:
// e2e, the whole-system tests; harness, which runs the real binaries for them;
// demo; and kube, a real Kubernetes (a module of its own).
package test

// Package ecosystem holds the examples of docs/ecosystem.md against the programs that read
// them: Argo CD's own reading of a cluster's Secret, and Flux's of a kubeConfig. It is a
// module of its own, so that nothing of theirs is in the product's go.mod.
package ecosystem

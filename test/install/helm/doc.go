// Package helm installs the charts of deploy/helm as their READMEs say, with
// the pinned helm, on the real node of test/kube, with the images that 'make
// images' makes. What needs no cluster is tested in deploy/helm.
//
// Invariants:
//   - Every test has a namespace of its own where Pod Security "restricted" is
//     enforced, and leaves nothing in the cluster.
//   - One Kubernetes and one Fairlead, whose broker listens on the node's
//     address, are shared (main_test.go); each test has a cluster of its own in
//     that Fairlead. Tests run beside each other, but for those that look at the
//     whole Kubernetes.
//   - Nothing is pulled: images come from archives.
//
// The tests run with FAIRLEAD_E2E=1, as 'make test-install' sets it, and are
// skipped without. With FAIRLEAD_E2E=require they fail on a machine that cannot
// be a node or has no container engine.
package helm

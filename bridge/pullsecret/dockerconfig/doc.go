// Package dockerconfig reads, judges, merges and writes the content of pull secrets: the
// JSON that a Secret of type kubernetes.io/dockerconfigjson has under .dockerconfigjson.
//
// What an entry is worth is judged as the kubelet reads it: how it finds the entry of an
// image, and which user name and token it takes from the entry. A test compares both with
// results of the kubelet's own code.
//
// Invariants:
//
//   - Neither a finding, an error nor a value that is printed tells a user name, a token, or
//     how long one is. A key that does not look like a registry is not shown either, since
//     somebody may have put a token there.
//   - What is told of a pull secret is bounded, however many entries it has.
//   - What is written has one spelling of each registry: the one that the kubelet and
//     docker, podman and the like find alike.
//   - Merging changes the entries of the given registries, in whatever spelling, and no
//     other part of the document.
//   - It knows neither HTTP nor the cluster, and has no goroutines.
package dockerconfig

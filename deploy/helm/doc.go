// Package helm tests the charts in its folders offline: no cluster is needed,
// and a few minutes are enough. Whatever needs a cluster is tested in
// test/install/helm.
//
// Every object that a chart renders is
//
//   - decoded strictly into the Go type of the pinned Kubernetes: unknown and
//     doubled fields, and wrong types, are found;
//   - checked against the OpenAPI document of that Kubernetes, or against the
//     schema of its CustomResourceDefinition: missing fields are found too (but
//     not a wrong value of an enumeration, which the OpenAPI document does not
//     list: an API server finds that, in test/install/helm);
//   - if it has pods, judged by the Pod Security admission at "restricted".
//
// It is a module of its own, since these judges are large.
package helm

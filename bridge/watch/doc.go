// Package watch serves GET /v1/watch: one stream of the events of a resource in many
// clusters.
//
// Each cluster is watched by a goroutine of its own (member.go). It waits until an agent
// is connected, lists what there is (list.go), and watches from the version of the list
// (follow.go). What is lost is resumed at the version of the last event that was written.
// Clusters that are selected come and go with the inventory (roster.go), which tells when to
// look at it again (looks.go).
//
// Invariants:
//
//   - Of a cluster no event is missing and none comes twice, unless a line says that what
//     was told of it is void: the state reset.
//   - Each request of a cluster is admitted, audited and limited as one that its caller
//     sends by itself. None is made of a cluster that is not connected.
//   - A line of one cluster is no trouble to another: what a cluster says that cannot be a
//     line ends that cluster.
//   - Memory: of each cluster there is one event at a time, up to freeBytes; larger ones
//     share poolBytes. A client that does not read keeps the rest in the clusters.
//   - A cluster that fails is asked again after a pause that grows up to maxPause.
//
// Goroutines: one a cluster, two for the whole; they end before the handler does.
package watch

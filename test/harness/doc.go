// Package harness runs Fairlead as its users run it: the real binaries as
// processes, on a real Kubernetes, with real TLS and real credentials. The
// whole-system tests and the demo are built on it.
//
// Invariants:
//   - Nothing is simulated: binaries come from make build, the Kubernetes from
//     test/kube, keys and credentials from 'fairlead-broker init', the kubeconfig
//     for kubectl from the bridge itself.
//   - A child never outlives this process: the kernel kills it when we die
//     (Linux), and what runs a node cleans up after itself when its stdin ends.
//   - Every wait is for a condition, has a deadline, and fails with what was
//     missing and with the tail of the log of the process that it waited for.
//   - Children see no FAIRLEAD_* variable of ours: what they do is what their
//     command line says.
//   - Only loopback addresses are listened on, but for brokers that pods shall
//     reach: those listen on the address of the pods' node.
//
// Goroutines: one per child waits for its end and closes Done, one more copies
// a child's output where a caller wants to read it; one for the whole process
// is pinned to a thread and does all the starting (see starter).
package harness

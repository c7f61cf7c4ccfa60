// Package harness runs Fairlead as its users run it: the real binaries as
// processes, on a real Kubernetes, with real TLS and real credentials. The
// whole-system tests and the demo are built on it. Package testbed holds what
// the test suites share in addition.
//
// Invariants:
//   - Nothing is simulated: binaries come from make build, the Kubernetes from
//     test/kube, keys and credentials from 'fairlead-broker init', the kubeconfig
//     for kubectl from the bridge itself.
//   - A child never outlives this process: the kernel kills it when we die
//     (Linux), and the program that runs a node cleans up when its stdin ends.
//   - Every wait is for a condition and has a deadline. It fails with the
//     condition and with the end of the log of the process that it waited for.
//   - Children do not see our FAIRLEAD_* variables: only their command lines
//     configure them.
//   - Children listen on loopback addresses only, except for brokers that pods
//     must reach, which listen on the address of the pods' node.
//
// Process has a twin in test/kube/process, which treats logs and signals
// differently. test/kube is a separate module with the dependencies of Kubernetes,
// so neither can import the other.
//
// Goroutines: one for each child waits for its end and closes Done; if a caller
// reads the child's output, another one copies it. One for the whole process is
// pinned to a thread and starts all children (see starter).
package harness

// Package plane runs a control plane: etcd, kube-apiserver,
// kube-controller-manager and kube-scheduler. It needs no root.
//
// Invariants:
//   - Everything listens on loopback, on the ports of the slot.
//   - A step returns only when its component answers its own health endpoint,
//     or fails with the tail of the component's log.
//   - Every start makes a new cluster: data and certificates of an earlier one in
//     the same folder are removed.
//
// Pure functions render all flags (flags.go), so tests can check them without
// starting anything.
package plane

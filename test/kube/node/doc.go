// Package node turns this machine into the one node of a test cluster: a
// containerd and a kubelet of the cluster's own, beside whatever else runs.
//
// Invariants:
//   - Everything that is left on the machine carries the slot's number: the
//     bridge, the cgroup, the network namespace, /run/NAME and /var/lib/NAME.
//     Clean removes it all by that number alone, whatever state it is in, and
//     may be called twice.
//   - No firewall rule is made: pods need no way out, the kubelet is told to
//     make none, and port mappings are left out of the network configuration.
//     kube-proxy's are in a network namespace of the slot's own (inside.go, with
//     the one exception).
//   - Kernel settings that the kubelet or the network plugin changes are
//     written down before and put back after.
//   - Nothing is removed below a folder while something is mounted there.
//
// Needs root, Linux, cgroup v1 or v2 and the packages in deps.go.
package node

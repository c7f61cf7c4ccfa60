// Package node turns this machine into the one node of a test cluster. The cluster
// has its own containerd and kubelet, beside others that may run.
//
// Invariants:
//   - Everything that is left on the machine carries the slot's number: the
//     bridge, the cgroup, the network namespace, /run/NAME and /var/lib/NAME.
//     Clean removes all of it by that number alone, whatever state it is in, and
//     may be called twice.
//   - The machine gets no firewall rule: pods need no way out, the kubelet is
//     configured to make none, and the network configuration has no port
//     mappings. kube-proxy's rules are in the slot's own network namespace
//     (inside.go, which also has the one exception).
//   - Kernel settings that the kubelet or the network plugin changes are saved
//     before and restored afterwards.
//   - Nothing is removed below a folder while something is mounted there.
//
// Needs root, Linux, cgroup v1 or v2 and the packages in deps.go.
package node

//go:build linux

package network

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
)

// connections are the local ports of the established connections from the site to an
// address, in order.
func (si *site) connections(ip string) []string {
	si.t.Helper()
	out, err := si.inside.Run(si.t.Context(), "cat", "/proc/net/tcp")
	if err != nil {
		si.t.Fatal(err)
	}
	var ports []string
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		const established = "01"
		if len(f) < 4 || f[3] != established {
			continue
		}
		peer, _, _ := strings.Cut(f[2], ":")
		_, local, _ := strings.Cut(f[1], ":")
		port, err := strconv.ParseUint(local, 16, 16)
		if err != nil {
			si.t.Fatalf("a line of /proc/net/tcp: %q", line)
		}
		if peer == kernelHex(ip) {
			ports = append(ports, fmt.Sprint(port))
		}
	}
	slices.Sort(ports)
	return ports
}

// kernelHex is an address as the kernel shows it: the bytes of a little-endian number.
func kernelHex(ip string) string {
	b := net.ParseIP(ip).To4()
	return fmt.Sprintf("%02X%02X%02X%02X", b[3], b[2], b[1], b[0])
}

// swallow drops all packets of the site's connections from some ports to an address from
// now on, as a firewall does that has forgotten them. New connections work.
func (si *site) swallow(ip string, ports []string) {
	si.t.Helper()
	if len(ports) == 0 {
		si.t.Fatalf("no connection to %s: %s", ip, si.tail())
	}
	for _, port := range ports {
		si.iptables("-A", "OUTPUT", "-p", "tcp", "-d", ip, "--sport", port, "-j", "DROP")
		si.iptables("-A", "INPUT", "-p", "tcp", "-s", ip, "--dport", port, "-j", "DROP")
	}
}

func (si *site) iptables(args ...string) {
	si.t.Helper()
	if _, err := si.inside.Run(si.t.Context(), "iptables", append([]string{"-w"}, args...)...); err != nil {
		si.t.Fatal(err)
	}
}

// tail is the end of the agent's log.
func (si *site) tail() string {
	text, err := os.ReadFile(si.log())
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}

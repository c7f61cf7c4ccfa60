package harness

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Facts about a process from the kernel. Linux only; elsewhere these fail.

// RSS is the process's resident memory in bytes.
func (p *Process) RSS() (int64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
	if err != nil {
		return 0, fmt.Errorf("memory of %s: %w", p.Name(), err)
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("memory of %s: %w", p.Name(), err)
			}
			return kb << 10, nil
		}
	}
	return 0, fmt.Errorf("memory of %s: no VmRSS", p.Name())
}

// established is the kernel's number for an established connection.
const established = "01"

// Connections lists the remote addresses of the process's established IPv4
// connections.
func (p *Process) Connections() ([]netip.AddrPort, error) {
	inodes, err := p.sockets()
	if err != nil {
		return nil, fmt.Errorf("connections of %s: %w", p.Name(), err)
	}
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/tcp", p.PID()))
	if err != nil {
		return nil, fmt.Errorf("connections of %s: %w", p.Name(), err)
	}
	var remotes []netip.AddrPort
	scanner := bufio.NewScanner(bytes.NewReader(data))
	scanner.Scan() // titles
	for scanner.Scan() {
		// sl local remote st queues timer retransmits uid timeout inode ...
		f := strings.Fields(scanner.Text())
		if len(f) < 10 || f[3] != established || !inodes[f[9]] {
			continue
		}
		remote, err := parseHexAddress(f[2])
		if err != nil {
			return nil, fmt.Errorf("connections of %s: %w", p.Name(), err)
		}
		remotes = append(remotes, remote)
	}
	return remotes, scanner.Err()
}

// ConnectedTo counts the connections to an address such as 127.0.0.1:4222.
func (p *Process) ConnectedTo(address string) (int, error) {
	want, err := netip.ParseAddrPort(address)
	if err != nil {
		return 0, err
	}
	remotes, err := p.Connections()
	n := 0
	for _, r := range remotes {
		if r == want {
			n++
		}
	}
	return n, err
}

// sockets is the set of inodes of the process's sockets.
func (p *Process) sockets() (map[string]bool, error) {
	dir := fmt.Sprintf("/proc/%d/fd", p.PID())
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	inodes := map[string]bool{}
	for _, e := range entries {
		// A descriptor may be closed between the two reads.
		target, _ := os.Readlink(filepath.Join(dir, e.Name()))
		if inode, ok := strings.CutPrefix(target, "socket:["); ok {
			inodes[strings.TrimSuffix(inode, "]")] = true
		}
	}
	return inodes, nil
}

// parseHexAddress reads 0100007F:1F90: the address as a little-endian number.
func parseHexAddress(s string) (netip.AddrPort, error) {
	host, port, _ := strings.Cut(s, ":")
	b, err := hex.DecodeString(host)
	if err != nil || len(b) != 4 {
		return netip.AddrPort{}, fmt.Errorf("address %q", s)
	}
	n, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("address %q: %w", s, err)
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{b[3], b[2], b[1], b[0]}), uint16(n)), nil
}

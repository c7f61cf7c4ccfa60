package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"

	"github.com/fairlead-io/fairlead/test/kube/process"
)

// The services of a cluster have their own network namespace, with one port on the
// pods' bridge. kube-proxy's rules are in it, so that any number of clusters can run
// side by side, the machine's own rules are not touched, and all of them are gone
// with the namespace. Pods and the machine have a route to it.

// makeInside makes the namespace, its port on the bridge, and the machine's
// route to services.
func makeInside(ctx context.Context, p places) error {
	const port = "eth0"
	name := p.slot.Name()
	for _, args := range [][]string{
		{"netns", "add", name},
		{"link", "add", p.slot.ServicesPort(), "type", "veth", "peer", "name", port, "netns", name},
		{"link", "set", p.slot.ServicesPort(), "master", p.slot.Bridge()},
		{"link", "set", p.slot.ServicesPort(), "up"},
		{"-n", name, "link", "set", "lo", "up"},
		{"-n", name, "address", "add", fmt.Sprintf("%s/%d", p.slot.ServicesIP(), p.slot.PodRange().Bits()), "dev", port},
		{"-n", name, "link", "set", port, "up"},
		{"-n", name, "route", "add", "default", "via", p.slot.NodeIP().String()},
		{"route", "add", p.slot.ServiceRange().String(), "via", p.slot.ServicesIP().String()},
	} {
		if err := ip(ctx, args...); err != nil {
			return err
		}
	}
	busybox, err := find(busyboxPaths)
	if err != nil {
		return err
	}
	settings := []string{
		"net.ipv4.ip_forward=1",
		// Packets leave by the port by which they came in. If either of these is
		// on, the kernel tells pods to bypass us with redirects.
		"net.ipv4.conf.all.send_redirects=0",
		"net.ipv4.conf." + port + ".send_redirects=0",
	}
	path, args, err := inside(p, busybox, append([]string{"sysctl", "-w"}, settings...))
	if err != nil {
		return err
	}
	if err := run(ctx, path, args...); err != nil {
		return err
	}
	return letThrough(ctx, p)
}

// removeInside removes the namespace and everything in it.
func removeInside(ctx context.Context, p places) error {
	err := stopLettingThrough(ctx, p)
	// The kernel removes the port some time after its peer's namespace, but the
	// next cluster in this slot needs the name at once.
	if exists("/sys/class/net/" + p.slot.ServicesPort()) {
		err = errors.Join(err, ip(ctx, "link", "delete", p.slot.ServicesPort()))
	}
	if exists("/run/netns/" + p.slot.Name()) {
		err = errors.Join(err, ip(ctx, "netns", "delete", p.slot.Name()))
	}
	return err
}

// inside returns the command that runs a program in the namespace. The program
// replaces nsenter, so it gets the signals and has the process id.
func inside(p places, path string, args []string) (string, []string, error) {
	nsenter, err := find([]string{"nsenter"})
	if err != nil {
		return "", nil, err
	}
	return nsenter, append([]string{"--net=/run/netns/" + p.slot.Name(), "--", path}, args...), nil
}

// startInside is start for a component in the namespace.
func (n *Node) startInside(p places, spec process.Spec) (*process.Process, error) {
	var err error
	if spec.Path, spec.Args, err = inside(p, spec.Path, spec.Args); err != nil {
		return nil, err
	}
	return n.start(p, spec)
}

// bridgedThrough reports whether the machine's firewall sees frames that stay on
// one bridge.
const bridgedThrough = "/proc/sys/net/bridge/bridge-nf-call-iptables"

// letThrough makes the one rule that may be needed outside of the namespace. If the
// firewall sees bridged frames and forwards nothing by default, as Docker may set
// it up, pods could not reach each other.
func letThrough(ctx context.Context, p places) error {
	through, err := os.ReadFile(bridgedThrough)
	if err != nil || strings.TrimSpace(string(through)) != "1" {
		return nil
	}
	iptables, err := find(iptablesPaths)
	if err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, iptables, "-w", "-S", "FORWARD").Output()
	if err != nil || strings.TrimSpace(string(out)) == "-P FORWARD ACCEPT" {
		return nil // no such table, or nothing in it
	}
	// The note comes first, so that Clean never misses the rule.
	if err := os.WriteFile(p.forwardRule(), nil, 0o600); err != nil {
		return fmt.Errorf("note firewall rule: %w", err)
	}
	return run(ctx, iptables, append([]string{"-w", "-I"}, forwardRule(p)...)...)
}

func stopLettingThrough(ctx context.Context, p places) error {
	if !exists(p.forwardRule()) {
		return nil
	}
	iptables, err := find(iptablesPaths)
	if err != nil {
		return err
	}
	rule := forwardRule(p)
	if err := exec.CommandContext(ctx, iptables, append([]string{"-w", "-C"}, rule...)...).Run(); err == nil {
		if err := run(ctx, iptables, append([]string{"-w", "-D"}, rule...)...); err != nil {
			return err
		}
	}
	if err := os.Remove(p.forwardRule()); err != nil {
		return fmt.Errorf("forget firewall rule: %w", err)
	}
	return nil
}

func forwardRule(p places) []string {
	return []string{"FORWARD", "-i", p.slot.Bridge(), "-o", p.slot.Bridge(),
		"-m", "comment", "--comment", p.slot.Name(), "-j", "ACCEPT"}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

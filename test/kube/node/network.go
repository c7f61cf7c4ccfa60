package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
)

// makeBridge makes the network that node and pods share. The kubelet needs the
// node's address on an interface of this machine: it is on the bridge, even before
// any pod has joined it.
func makeBridge(ctx context.Context, p places) error {
	if err := rangeIsFree(p); err != nil {
		return err
	}
	bridge := p.slot.Bridge()
	for _, args := range [][]string{
		{"link", "add", bridge, "type", "bridge"},
		{"address", "add", fmt.Sprintf("%s/%d", p.slot.NodeIP(), p.slot.PodRange().Bits()), "dev", bridge},
		{"link", "set", bridge, "up"},
	} {
		if err := ip(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

// rangeIsFree refuses a range in which the machine already has an address: traffic
// for that network would go to our bridge.
func rangeIsFree(p places) error {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return fmt.Errorf("list addresses: %w", err)
	}
	node := net.IP(p.slot.NodeIP().AsSlice())
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && n.Contains(node) {
			return fmt.Errorf("make bridge: the machine has %s, which overlaps the pods' range %s", n, p.slot.PodRange())
		}
	}
	return nil
}

// removeBridge removes the bridge if it exists. The pods' ends are gone with their
// network namespaces.
func removeBridge(ctx context.Context, p places) error {
	if _, err := net.InterfaceByName(p.slot.Bridge()); err != nil {
		return nil // no bridge has that name
	}
	return ip(ctx, "link", "delete", p.slot.Bridge())
}

func ip(ctx context.Context, args ...string) error {
	path, err := find([]string{"ip"})
	if err != nil {
		return err
	}
	return run(ctx, path, args...)
}

// run runs a program whose output is only errors.
func run(ctx context.Context, path string, args ...string) error {
	out, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	if err != nil {
		return errors.Join(fmt.Errorf("%s %s: %w: %s", filepath.Base(path), strings.Join(args, " "), err, strings.TrimSpace(string(out))), ctx.Err())
	}
	return nil
}

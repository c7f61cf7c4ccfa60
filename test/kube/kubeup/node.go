package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/fairlead-io/fairlead/test/kube/binaries"
	"github.com/fairlead-io/fairlead/test/kube/node"
	"github.com/fairlead-io/fairlead/test/kube/plane"
	"github.com/fairlead-io/fairlead/test/kube/slot"
)

// machine is a node with the reaper that cleans up after it.
type machine struct {
	*node.Node
	reaper *reaper
}

func (m *machine) stop() error { return errors.Join(m.Node.Stop(), m.reaper.finish()) }

// startNode starts the node where it is wanted and possible. Without one it
// returns why.
func startNode(ctx context.Context, f upFlags, claim *slot.Claim, l plane.Layout, built binaries.Set,
	client *plane.Client, r *report) (*machine, string, error) {
	if !f.node && !f.requireNode {
		return nil, "not asked for (--node)", nil
	}
	if err := node.Possible(f.services); err != nil {
		return nil, err.Error(), nil
	}
	if err := sweep(ctx, r); err != nil {
		return nil, "", err
	}
	// Half a cleaning may have left traces that sweep does not see.
	if err := node.Clean(ctx, claim.Slot); err != nil {
		return nil, "", err
	}
	reaper, err := startReaper(claim)
	if err != nil {
		return nil, "", err
	}
	var services *node.Services
	if f.services {
		services = &node.Services{
			APIServer:                   strings.TrimPrefix(l.Server(), "https://"),
			ProxyKubeconfig:             l.Kubeconfig(plane.Proxy),
			DNSKubeconfig:               l.Kubeconfig(plane.DNS),
			VolumeProvisionerKubeconfig: l.Kubeconfig(plane.VolumeProvisioner),
			Names:                       f.names,
		}
	}
	started, err := node.Start(ctx, node.Layout{
		Slot: claim.Slot, Name: l.NodeName, Binary: built.Server(), Pause: built.Pause(),
		LogDir: l.LogDir(), Kubeconfig: l.Kubeconfig("kubelet"),
		CAFile: l.PKI("ca.crt"), CertFile: l.PKI("kubelet.crt"), KeyFile: l.PKI("kubelet.key"),
		Services: services,
	}, client, r.line)
	if err != nil {
		return nil, "", errors.Join(err, reaper.finish())
	}
	return &machine{Node: started, reaper: reaper}, "", nil
}

// sweep removes what nodes left whose reaper was killed as well, our own slot's
// apart: that one is claimed.
func sweep(ctx context.Context, r *report) error {
	left, err := node.Leftovers()
	if err != nil {
		return err
	}
	for _, s := range left {
		claim, err := slot.Take(s)
		if err != nil {
			continue // in use
		}
		r.line("remove what a lost node left in slot " + strconv.Itoa(s.Number))
		if err := errors.Join(node.Clean(ctx, s), claim.Close()); err != nil {
			return err
		}
	}
	return nil
}

func runNodeDeps(ctx context.Context, args []string, r *report) error {
	set := flag.NewFlagSet("node-deps", flag.ContinueOnError)
	if err := parse(set, args); err != nil {
		return err
	}
	if err := node.Install(ctx, os.Stderr, r.line); err != nil {
		return fmt.Errorf("node-deps: %w", err)
	}
	return nil
}

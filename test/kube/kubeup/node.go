package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/fairlead-io/fairlead/test/kube/node"
	"github.com/fairlead-io/fairlead/test/kube/plane"
	"github.com/fairlead-io/fairlead/test/kube/slot"
)

// machine is a node and the reaper that cleans up after it.
type machine struct {
	*node.Node
	reaper *reaper
}

func (m *machine) stop() error { return errors.Join(m.Node.Stop(), m.reaper.finish()) }

// whyNoNode says why the cluster gets no node, "" if it gets one.
func (c *cluster) whyNoNode() string {
	if !c.node && !c.requireNode {
		return "not asked for (--node)"
	}
	if err := node.Possible(c.services); err != nil {
		return err.Error()
	}
	return ""
}

// startNode starts the node, with a reaper beside it.
func (c *cluster) startNode(ctx context.Context) (*machine, error) {
	if err := sweep(ctx, c.report); err != nil {
		return nil, err
	}
	// An interrupted cleanup may have left traces that sweep does not see.
	if err := node.Clean(ctx, c.claim.Slot); err != nil {
		return nil, err
	}
	reaper, err := startReaper(c.claim)
	if err != nil {
		return nil, err
	}
	l := c.layout
	started, err := node.Start(ctx, node.Layout{
		Slot: c.claim.Slot, Name: l.NodeName, Binary: c.built.Server(), Pause: c.built.Pause(),
		LogDir: l.LogDir(), Kubeconfig: l.Kubeconfig("kubelet"),
		CAFile: l.PKI("ca.crt"), CertFile: l.PKI("kubelet.crt"), KeyFile: l.PKI("kubelet.key"),
		Services: c.nodeServices(),
	}, c.client, c.report.line)
	if err != nil {
		return nil, errors.Join(err, reaper.finish())
	}
	return &machine{Node: started, reaper: reaper}, nil
}

// nodeServices is the configuration of services, nil without them.
func (c *cluster) nodeServices() *node.Services {
	if !c.services {
		return nil
	}
	return &node.Services{
		APIServer:                   strings.TrimPrefix(c.layout.Server(), "https://"),
		ProxyKubeconfig:             c.layout.Kubeconfig(plane.Proxy),
		DNSKubeconfig:               c.layout.Kubeconfig(plane.DNS),
		VolumeProvisionerKubeconfig: c.layout.Kubeconfig(plane.VolumeProvisioner),
		Names:                       c.names,
	}
}

// sweep removes the leftovers of nodes whose reaper was killed as well. It skips our
// own slot, since that is claimed.
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

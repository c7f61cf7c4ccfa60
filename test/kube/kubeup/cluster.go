package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/fairlead-io/fairlead/test/kube/binaries"
	"github.com/fairlead-io/fairlead/test/kube/node"
	"github.com/fairlead-io/fairlead/test/kube/plane"
	"github.com/fairlead-io/fairlead/test/kube/process"
	"github.com/fairlead-io/fairlead/test/kube/slot"
)

// nodeName is the same in every cluster: it is not visible outside.
const nodeName = "node-1"

// cluster is a cluster and everything that it uses. It is for one goroutine.
type cluster struct {
	upFlags
	report *report
	built  binaries.Set

	dir    *folder
	claim  *slot.Claim
	layout plane.Layout
	client *plane.Client

	running []*process.Process // in the order of their start
	about   description
	undo    []func() error // called last first
}

// up runs a cluster until ctx ends, then returns nil, or until one of its components
// ends, which is an error.
func up(ctx context.Context, f upFlags, r *report) (err error) {
	if f.requireNode { // before a build of ten minutes
		if err := node.Possible(f.services); err != nil {
			return err
		}
	}
	c := &cluster{upFlags: f, report: r}
	if c.built, err = f.ensure(ctx, r); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	for _, step := range []func(context.Context) error{c.prepare, c.startPlane, c.addNode, c.announce} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return watch(ctx, c.running, r)
}

// stop undoes every step, last first.
func (c *cluster) stop() error {
	var errs []error
	for _, undo := range slices.Backward(c.undo) {
		errs = append(errs, undo())
	}
	return errors.Join(errs...)
}

// prepare claims a slot of the machine for the cluster and writes its files.
func (c *cluster) prepare(context.Context) (err error) {
	if c.dir, err = openFolder(c.upFlags.dir); err != nil {
		return err
	}
	c.undo = append(c.undo, c.dir.close)
	if c.claim, err = slot.Acquire(c.dir.path); err != nil {
		return err
	}
	c.undo = append(c.undo, c.claim.Close)
	c.layout = plane.Layout{Dir: c.dir.path, Binary: c.built.Server(), Slot: c.claim.Slot, NodeName: nodeName,
		Services: c.services, Audit: c.audit, Extra: c.extra}
	ca, admin, err := c.layout.Prepare()
	if err != nil {
		return err
	}
	if c.client, err = plane.NewClient(c.layout.Server(), ca.Cert, admin); err != nil {
		return err
	}
	c.undo = append(c.undo, func() error { c.client.Close(); return nil })
	c.report.line(fmt.Sprintf("cluster folder %s, slot %d", c.dir.path, c.claim.Number))
	return nil
}

func (c *cluster) startPlane(ctx context.Context) error {
	control, err := plane.Start(ctx, c.layout, c.client, c.report.line)
	if err != nil {
		return err
	}
	c.undo = append(c.undo, func() error {
		err := control.Stop()
		c.report.line("control plane stopped")
		return err
	})
	c.running = append(c.running, control.Components...)
	c.about = description{
		Version: c.built.Version, Server: c.layout.Server(), CAFile: c.layout.PKI("ca.crt"),
		Kubeconfig: c.layout.Kubeconfig("admin"), Kubectl: c.built.Kubectl(), LogDir: c.layout.LogDir(),
		Slot: c.claim.Number, Images: map[string]string{}, PIDs: map[string]int{},
	}
	if c.audit {
		c.about.AuditLog = c.layout.AuditLog()
	}
	return nil
}

// addNode starts the node, if one is wanted and possible here.
func (c *cluster) addNode(ctx context.Context) error {
	if c.about.NoNode = c.whyNoNode(); c.about.NoNode != "" {
		c.report.line("NO NODE: " + c.about.NoNode)
		return nil
	}
	machine, err := c.startNode(ctx)
	if err != nil {
		return err
	}
	c.undo = append(c.undo, func() error {
		err := machine.stop()
		c.report.line("node stopped and its traces removed")
		return err
	})
	c.running = append(c.running, machine.Components...)
	if c.services {
		c.about.ServicesIP = c.claim.ServicesIP().String()
	}
	c.about.NodeName, c.about.NodeIP, c.about.Images = nodeName, c.claim.NodeIP().String(), node.Images()
	return nil
}

// announce writes the description of the cluster, once the cluster is ready.
func (c *cluster) announce(context.Context) error {
	for _, p := range c.running {
		c.about.PIDs[p.Name()] = p.PID()
	}
	if err := c.about.write(c.dir.description()); err != nil {
		return err
	}
	c.undo = append(c.undo, c.dir.forget)
	c.report.line("ready: export KUBECONFIG=" + c.about.Kubeconfig)
	fmt.Println("ready " + c.dir.description())
	return nil
}

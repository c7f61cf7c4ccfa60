package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/fairlead-io/fairlead/test/kube/node"
	"github.com/fairlead-io/fairlead/test/kube/plane"
	"github.com/fairlead-io/fairlead/test/kube/process"
	"github.com/fairlead-io/fairlead/test/kube/slot"
)

type upFlags struct {
	buildFlags
	dir         string
	node        bool
	requireNode bool
	services    bool
	names       []string
	audit       bool
	stopOnEOF   bool
	extra       []string
}

// nodeName is the same in every cluster; nothing outside a cluster sees it.
const nodeName = "node-1"

// errStdin is the cause of a stop by --stop-on-stdin-eof.
var errStdin = errors.New("stdin closed")

func runUp(ctx context.Context, args []string, r *report) error {
	set := flag.NewFlagSet("up", flag.ContinueOnError)
	var f upFlags
	f.register(set)
	set.StringVar(&f.dir, "dir", "", "`folder` of the cluster: made if missing, wiped if a cluster's (required)")
	set.BoolVar(&f.node, "node", false, "add a node where this machine can be one (Linux, root, packages of node-deps)")
	set.BoolVar(&f.requireNode, "require-node", false, "like --node, but fail where this machine cannot be one")
	set.BoolVar(&f.services, "services", false, "let pods reach services by address and name, and give claims volumes; needs a node")
	set.Func("name", "a DNS `name` that leads pods to the services' address, as to a load balancer; needs --services; may be repeated", func(s string) error {
		f.names = append(f.names, s)
		return nil
	})
	set.BoolVar(&f.audit, "audit", false, "let the API server log every request to a file")
	set.Func("apiserver-flag", "a `flag` for the API server, such as --goaway-chance=0.01; may be repeated", func(s string) error {
		f.extra = append(f.extra, s)
		return nil
	})
	set.BoolVar(&f.stopOnEOF, "stop-on-stdin-eof", false, "stop the cluster when stdin is closed, as it is when the parent dies")
	if err := parse(set, args); err != nil {
		return err
	}
	if f.dir == "" {
		fmt.Fprintln(set.Output(), "kubeup up: --dir is required")
		return errUsage
	}
	if f.services && !f.node && !f.requireNode {
		fmt.Fprintln(set.Output(), "kubeup up: --services needs --node or --require-node")
		return errUsage
	}
	if len(f.names) > 0 && !f.services {
		fmt.Fprintln(set.Output(), "kubeup up: --name needs --services")
		return errUsage
	}
	if f.stopOnEOF {
		var cancel context.CancelCauseFunc
		ctx, cancel = context.WithCancelCause(ctx)
		defer cancel(nil)
		// This goroutine ends with stdin or with the program: a read of a
		// terminal or pipe cannot be cancelled.
		go func() {
			io.Copy(io.Discard, os.Stdin)
			cancel(errStdin)
		}()
	}
	err := up(ctx, f, r)
	if err != nil && errors.Is(err, context.Cause(ctx)) {
		r.line("stopped before it was ready: " + err.Error())
		return nil // as asked, if early
	}
	return err
}

// up runs a cluster until ctx ends (nil) or one of its components does.
func up(ctx context.Context, f upFlags, r *report) (err error) {
	if f.requireNode { // before a build of ten minutes
		if err := node.Possible(f.services); err != nil {
			return err
		}
	}
	built, err := f.ensure(ctx, r)
	if err != nil {
		return err
	}
	dir, err := openFolder(f.dir)
	if err != nil {
		return err
	}
	defer dir.close()
	claim, err := slot.Acquire(dir.path)
	if err != nil {
		return err
	}
	defer claim.Close()

	layout := plane.Layout{Dir: dir.path, Binary: built.Server(), Slot: claim.Slot, NodeName: nodeName,
		Services: f.services, Audit: f.audit, Extra: f.extra}
	ca, admin, err := layout.Prepare()
	if err != nil {
		return err
	}
	client, err := plane.NewClient(layout.Server(), ca.Cert, admin)
	if err != nil {
		return err
	}
	defer client.Close()
	r.line(fmt.Sprintf("cluster folder %s, slot %d", dir.path, claim.Number))

	control, err := plane.Start(ctx, layout, client, r.line)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, control.Stop())
		r.line("control plane stopped")
	}()
	running := control.Components

	about := description{
		Version: built.Version, Server: layout.Server(), CAFile: layout.PKI("ca.crt"),
		Kubeconfig: layout.Kubeconfig("admin"), Kubectl: built.Kubectl(), LogDir: layout.LogDir(),
		Slot: claim.Number, Images: map[string]string{}, PIDs: map[string]int{},
	}
	if f.audit {
		about.AuditLog = layout.AuditLog()
	}
	machine, why, err := startNode(ctx, f, claim, layout, built, client, r)
	if err != nil {
		return err
	}
	if machine == nil {
		about.NoNode = why
		r.line("NO NODE: " + why)
	} else {
		defer func() {
			err = errors.Join(err, machine.stop())
			r.line("node stopped and its traces removed")
		}()
		running = append(running, machine.Components...)
		if f.services {
			about.ServicesIP = claim.ServicesIP().String()
		}
		about.NodeName, about.NodeIP, about.Images = nodeName, claim.NodeIP().String(), node.Images()
	}
	for _, p := range running {
		about.PIDs[p.Name()] = p.PID()
	}
	if err := about.write(dir.description()); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.forget()) }()
	r.line("ready: export KUBECONFIG=" + about.Kubeconfig)
	fmt.Println("ready " + dir.description())
	return watch(ctx, running, r)
}

// watch returns nil when ctx ends, and an error as soon as a component does.
func watch(ctx context.Context, running []*process.Process, r *report) error {
	ended := make(chan *process.Process, len(running))
	for _, p := range running {
		go func() { // ends with the component, which up stops before it returns
			<-p.Done()
			ended <- p
		}()
	}
	select {
	case p := <-ended:
		return fmt.Errorf("a component ended by itself: %w", p.Err())
	case <-ctx.Done():
		r.line("stopping: " + context.Cause(ctx).Error())
		return nil
	}
}

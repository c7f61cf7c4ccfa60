package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/fairlead-io/fairlead/test/kube/process"
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
		return nil // stopped as asked, before it was ready
	}
	return err
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

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/fairlead-io/fairlead/test/kube/node"
	"github.com/fairlead-io/fairlead/test/kube/slot"
)

// The reaper is a child that removes a node's traces when its stdin ends. We close
// its stdin on an orderly stop, and the kernel closes it when we are killed. So
// there is only one way to clean up, and every run tests it. Meanwhile the reaper
// holds the slot's claim, so that nobody takes the slot too early.
const reapCommand = "reap" // not in the usage: nobody else calls it

// cleanWithin bounds one cleanup.
const cleanWithin = time.Minute

type reaper struct {
	cmd   *exec.Cmd
	stdin io.Closer
}

func startReaper(claim *slot.Claim) (*reaper, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start reaper: %w", err)
	}
	held, err := claim.File()
	if err != nil {
		return nil, fmt.Errorf("start reaper: %w", err)
	}
	defer held.Close() // the child has its own
	cmd := exec.Command(self, reapCommand, fmt.Sprint("--slot=", claim.Number))
	cmd.Stderr = os.Stderr
	cmd.ExtraFiles = []*os.File{held}
	// A session of its own: neither Ctrl-C nor a closed terminal may end it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start reaper: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start reaper: %w", err)
	}
	return &reaper{cmd: cmd, stdin: stdin}, nil
}

// finish lets the reaper do its work and waits for it.
func (r *reaper) finish() error {
	r.stdin.Close() // fails only if the reaper is gone, which Wait reports
	if err := r.cmd.Wait(); err != nil {
		return fmt.Errorf("remove the node's traces: %w", err)
	}
	return nil
}

func runReap(_ context.Context, args []string, _ *report) error {
	set := flag.NewFlagSet(reapCommand, flag.ContinueOnError)
	number := set.Int("slot", 0, "slot to clean")
	if err := parse(set, args); err != nil {
		return err
	}
	if *number < 1 || *number > slot.Count {
		return errors.New("reap: no such slot")
	}
	// stderr may be a pipe whose reader died with our parent. main handles SIGINT
	// and SIGTERM, and this command ignores them.
	io.Copy(io.Discard, os.Stdin)
	ctx, cancel := context.WithTimeout(context.Background(), cleanWithin)
	defer cancel()
	return node.Clean(ctx, slot.Slot{Number: *number})
}

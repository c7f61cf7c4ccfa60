package netns

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fairlead-io/fairlead/test/harness"
)

// Missing says what this machine lacks for namespaces, nil if it lacks nothing.
func Missing() error {
	if os.Geteuid() != 0 {
		return errors.New("network namespaces need root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		return fmt.Errorf("network namespaces need iproute2: %w", err)
	}
	return nil
}

// takeWithin bounds the wait for another process that uses the prefix: as long as a
// suite takes.
const takeWithin = 15 * time.Minute

// Take waits until no other process uses the prefix, and removes what an earlier one has
// left. The prefix is free again when release is called or this process ends.
func Take(ctx context.Context) (release func(), err error) {
	f, err := os.OpenFile("/run/"+Prefix+"lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("take the namespaces: %w", err)
	}
	err = harness.Until(ctx, "another test with network namespaces to end", takeWithin, nil, func(context.Context) error {
		return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	})
	if err == nil {
		err = sweep(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { _ = f.Close() }, nil
}

// sweep removes everything whose name begins with the prefix.
func sweep(ctx context.Context) error {
	var errs []error
	spaces, _ := filepath.Glob("/run/netns/" + Prefix + "*") // its only error is a bad pattern
	for _, path := range spaces {
		s := &Space{name: filepath.Base(path)}
		errs = append(errs, s.killAll(ctx), s.Remove(ctx))
	}
	folders, _ := filepath.Glob("/etc/netns/" + Prefix + "*")
	for _, path := range folders {
		errs = append(errs, os.RemoveAll(path))
	}
	links, _ := filepath.Glob("/sys/class/net/" + Prefix + "*")
	for _, path := range links {
		// A pair of which one end was in a namespace may be gone already.
		if err := IP(ctx, "link del "+filepath.Base(path)); err != nil {
			if _, gone := os.Lstat(path); gone == nil {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

// killAll kills the programs in the namespace.
func (s *Space) killAll(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "ip", "netns", "pids", s.name).Output()
	if err != nil {
		return fmt.Errorf("processes in %s: %w", s.name, err)
	}
	for _, field := range strings.Fields(string(out)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			return fmt.Errorf("processes in %s: %w", s.name, err)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("kill process %d in %s: %w", pid, s.name, err)
		}
	}
	return nil
}
